"""Files reach the workers through a bucket of any S3-compatible object storage; they see nothing but its addresses."""

from vidproc_desktop.bucket.exchange import BucketExchange
from vidproc_desktop.bucket.options import BucketOptions

__all__ = ["BucketExchange", "BucketOptions"]
