"""What a launcher gives back of a job."""

from hydra.core.utils import JobReturn, JobStatus


def returned(numbers: dict[str, float]) -> JobReturn:
    return JobReturn(status=JobStatus.COMPLETED, _return_value=numbers)


def failed(error: Exception) -> JobReturn:
    return JobReturn(status=JobStatus.FAILED, _return_value=error)
