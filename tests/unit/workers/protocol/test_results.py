"""Results as rows and messages of older and newer programs hold them."""

from pydantic import TypeAdapter

from workers.protocol.results import EnhancementResult, TaskResult

_OLD = """{"kind": "enhancement", "output_uri": "file:///o.mp4", "report_uri": "file:///o.report.json",
 "poster_uri": null, "size_bytes": 1, "frames": 2, "duration_s": null, "was_remuxed": false,
 "was_found_finished": false}"""


def test_a_result_stored_before_there_were_warnings_is_still_read() -> None:
    adapter: TypeAdapter[TaskResult] = TypeAdapter(TaskResult)
    result = adapter.validate_json(_OLD)
    assert isinstance(result, EnhancementResult)
    assert result.warnings == ()
    told = result.model_copy(update={"warnings": ("The file ends early.",)})
    assert adapter.validate_json(adapter.dump_json(told)) == told
