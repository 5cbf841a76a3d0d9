"""A handler that uses Powertools for AWS Lambda: logger, tracer, metrics; the event names what."""
# ruff: noqa

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(service="orders")
metrics = Metrics(namespace="shop", service="orders")
tracer = Tracer(service="orders", disabled=True)


@logger.inject_lambda_context(log_event=True, correlation_id_path="id")
def with_context(event, context):
    logger.info("hello", extra={"order": 7})
    logger.append_keys(customer="c")
    try:
        1 / 0
    except ZeroDivisionError:
        logger.exception("failed")
    return logger.get_correlation_id()


@metrics.log_metrics(capture_cold_start_metric=True)
def with_metrics(event, context):
    metrics.add_metric(name="Orders", unit=MetricUnit.Count, value=2)
    metrics.add_dimension(name="stage", value="dev")
    return True


@tracer.capture_lambda_handler
def with_tracer(event, context):
    return tracer.disabled


CASES = {"logger": with_context, "metrics": with_metrics, "tracer": with_tracer}


def handler(event, context):
    return CASES[event]({"id": event}, context)
