"""POST /orders {"item": "tea", "quantity": 2}: keep the order and ask for it to be shipped."""

import json
import os
import uuid

import boto3
from shop import json_body, reply, table

PRICES = {"tea": 450, "coffee": 600, "cake": 380}  # cents

sqs = boto3.client("sqs")


def handler(event, context):
    wanted = json_body(event)
    item, quantity = wanted.get("item"), wanted.get("quantity", 1)
    if item not in PRICES:
        return reply(400, {"message": f"We sell {', '.join(PRICES)}, not {item}."})

    order = {
        "id": uuid.uuid4().hex[:8],
        "item": item,
        "quantity": quantity,
        "amount": PRICES[item] * quantity,
        "status": "received",
    }
    table.put_item(Item=order)
    sqs.send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=json.dumps({"id": order["id"]}))
    print(f"order {order['id']}: {quantity} × {item}")
    return reply(201, order)
