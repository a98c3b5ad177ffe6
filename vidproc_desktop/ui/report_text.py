"""An enhancement report as a readable page: what was done and why, what was kept, what was checked. Pure text."""

from html import escape
from pathlib import PurePath

from vidproc_desktop.ui.words import clock, resolution, size_in_words
from workers.protocol.analysis import ScanKind
from workers.protocol.report import Check, EnhancementReport
from workers.protocol.steps import StepKind

_STEP_WORDS = {
    StepKind.INVERSE_TELECINE: "Film pictures restored",
    StepKind.DEINTERLACE: "Deinterlacing",
    StepKind.CROP: "Borders cut off",
    StepKind.DEFLICKER: "Flicker removal",
    StepKind.DEBLOCK: "Block edges smoothed",
    StepKind.TONE_MAP: "Tone mapping",
    StepKind.DENOISE: "Noise reduction",
    StepKind.STABILISE: "Stabilising",
    StepKind.DEHALO: "Halo removal",
    StepKind.DEBAND: "Smooth gradients",
    StepKind.COLOUR: "Contrast and colour",
    StepKind.UPSCALE: "Enlarging",
    StepKind.SHARPEN: "Sharpening",
    StepKind.GRAIN: "Film grain",
    StepKind.GEOMETRY: "Orientation and size",
    StepKind.FRAME_RATE: "Frame rate",
}
_SCAN_WORDS = {
    ScanKind.PROGRESSIVE: "progressive",
    ScanKind.INTERLACED: "interlaced",
    ScanKind.TELECINE: "film with 3:2 pulldown",
    ScanKind.MIXED: "interlaced in some scenes",
    ScanKind.UNKNOWN: "too little motion to tell fields apart",
}

_NOTABLE_SHARE = 0.05


def report_page(report: EnhancementReport, *, done_colour: str, failed_colour: str, muted_colour: str) -> str:
    """Rich text for a `QTextBrowser`; every word from the file is escaped."""
    parts = [
        _summary(report, muted_colour),
        _steps(report, muted_colour),
        _notes(report),
        _found(report, muted_colour),
        _gate(report, muted_colour),
        _checks(report.checks, done_colour, failed_colour, muted_colour),
        _left_out(report, muted_colour),
        _timings(report, muted_colour),
    ]
    return "".join(part for part in parts if part)


def _heading(text: str) -> str:
    return f"<h4 style='margin:16px 0 4px 0'>{escape(text)}</h4>"


def _line(title: str, text: str, colour: str) -> str:
    return (
        f"<p style='margin:0 0 7px 0'><b>{escape(title)}</b><br>"
        f"<span style='color:{colour}'>{escape(text)}</span></p>"
    )


def _summary(report: EnhancementReport, muted: str) -> str:
    plan = report.plan
    headline = "Copied without loss" if plan.remux else "Enhanced"
    facts = [
        f"{report.frames_out:,} frames, {resolution(plan.width_px, plan.height_px)}",
        f"{size_in_words(report.source_size_bytes)} before, {size_in_words(report.output_size_bytes)} after",
    ]
    if report.duration_out_s is not None:
        facts.insert(1, f"length {clock(float(report.duration_out_s))}")
    if report.frames_in != report.frames_out:
        facts.append(f"{report.frames_in:,} frames in the source")
    name = PurePath(report.output_name).name
    return (
        f"<h3 style='margin:0'>{headline}</h3>"
        f"<p style='margin:2px 0 0 0;color:{muted}'>{escape(name)}<br>{escape(' · '.join(facts))}</p>"
    )


def _steps(report: EnhancementReport, muted: str) -> str:
    plan = report.plan
    page = _heading("What was done, and why")
    if plan.remux:
        page += _line("Streams copied", plan.remux_reason, muted)
    for step in plan.steps:
        page += _line(_STEP_WORDS[step.kind], step.reason, muted)
    if not plan.steps and not plan.remux:
        page += _line("No change to the picture", "Nothing was found that would make it better.", muted)
    if plan.encoding.reason and not plan.remux:
        page += _line("Encoding", plan.encoding.reason, muted)
    return page


def _left_out(report: EnhancementReport, muted: str) -> str:
    """Every other step, with the reason: long, and so at the end."""
    skipped = report.plan.skipped
    lines = "".join(_line(_STEP_WORDS[entry.kind], entry.reason, muted) for entry in skipped)
    return _heading("Considered and left out") + lines if lines else ""


def _found(report: EnhancementReport, muted: str) -> str:
    """What the analysis measured, in the order in which a person would ask."""
    found = report.analysis
    if found is None:
        return ""
    grain = "shaped by a codec" if found.noise_is_correlated else "fine-grained"
    facts = [
        f"noise σ {found.noise_sigma:.1f} ({grain})",
        _SCAN_WORDS[found.scan.kind],
        f"black at {found.black_level:.0%}, white at {found.white_level:.0%}, mean {found.mean_level:.0%}",
    ]
    if found.borders.any:
        edges = found.borders
        facts.append(
            f"black borders of {edges.left_px}, {edges.top_px}, {edges.right_px} and {edges.bottom_px} px"
        )
    if found.duplicates.value >= _NOTABLE_SHARE:
        facts.append(f"{found.duplicates.value:.0%} of the pictures repeat the one before")
    text = "; ".join(facts) + f". Measured on {found.sampled_frames} pictures."
    page = _heading("What was found")
    return page + f"<p style='color:{muted};margin:0'>{escape(text[:1].upper() + text[1:])}</p>"


def _gate(report: EnhancementReport, muted: str) -> str:
    """The do-no-harm gate's figures, where picture steps ran."""
    gate = report.gate
    if gate is None:
        return ""
    facts = [
        f"noise σ {gate.sigma_before:.1f} before and {gate.sigma_after:.1f} after",
        f"{gate.newly_clipped_share:.3%} of the pixels newly clipped",
    ]
    if gate.flat_psnr_db is not None:
        facts.append(f"flat clean areas kept at {gate.flat_psnr_db:.1f} dB")
    text = f"{'; '.join(facts)}. {gate.detail[:1].upper()}{gate.detail[1:]}."
    page = _heading("Harm check")
    return page + f"<p style='color:{muted};margin:0'>{escape(text[:1].upper() + text[1:])}</p>"


def _notes(report: EnhancementReport) -> str:
    texts = [note.text for note in report.notes] + list(report.plan.notes)
    if not texts:
        return ""
    return _heading("Worth knowing") + "".join(
        f"<p style='margin:0 0 5px 0'>{escape(text)}</p>" for text in texts
    )


def _checks(checks: tuple[Check, ...], done: str, failed: str, muted: str) -> str:
    if not checks:
        return ""
    rows = "".join(
        f"<tr><td style='padding:1px 8px 3px 0;color:{done if check.passed else failed}'>"
        f"{'✓' if check.passed else '✗'}</td>"
        f"<td style='padding:1px 0 3px 0'>{escape(_check_name(check.name))}<br>"
        f"<span style='color:{muted}'>{escape(check.detail)}</span></td></tr>"
        for check in checks
    )
    return _heading("Checked before it was handed over") + f"<table>{rows}</table>"


def _check_name(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _timings(report: EnhancementReport, muted: str) -> str:
    if not report.timings:
        return ""
    total = sum(stage.seconds for stage in report.timings)
    text = ", ".join(f"{stage.stage.replace('_', ' ')} {stage.seconds:.1f} s" for stage in report.timings)
    return _heading("Time taken") + f"<p style='color:{muted};margin:0'>{total:.1f} s: {escape(text)}</p>"
