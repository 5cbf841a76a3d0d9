"""Messages of the shipping queue, in batches: mark each order as shipped and tell the event bus.

A message that cannot be handled is reported by its id, so that only this one comes back to the queue.
"""

import json
import os

import boto3
from shop import table

events = boto3.client("events")


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            ship(json.loads(record["body"])["id"])
        except (KeyError, ValueError) as error:
            print(f"message {record['messageId']} cannot be shipped: {error!r}")
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def ship(order_id):
    table.update_item(
        Key={"id": order_id},
        UpdateExpression="SET #status = :shipped",
        ExpressionAttributeNames={"#status": "status"},  # `status` is a reserved word of DynamoDB
        ExpressionAttributeValues={":shipped": "shipped"},
    )
    events.put_events(
        Entries=[
            {
                "EventBusName": os.environ["BUS_NAME"],
                "Source": "shop.shipping",
                "DetailType": "OrderShipped",
                "Detail": json.dumps({"id": order_id}),
            }
        ]
    )
