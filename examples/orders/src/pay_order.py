"""POST /orders/{id}/payment {"card": "4242424242424242"}: pay for an order.

It has a bug: a declined card ends in an exception, so that the customer sees "Internal Server Error". A fine thing to
mend while livetui is running: catch `CardDeclinedError` and return `reply(402, {"message": str(error)})`.
"""

from shop import json_body, reply, table


class CardDeclinedError(Exception):
    pass


def charge(card, amount):
    """Stands for the bank, which declines all cards that end in 0002."""
    if card.endswith("0002"):
        raise CardDeclinedError(f"The bank declined card …{card[-4:]} for {amount / 100:.2f}.")


def handler(event, context):
    order_id = event["pathParameters"]["id"]
    card = json_body(event)["card"]
    order = table.get_item(Key={"id": order_id}).get("Item")
    if order is None:
        return reply(404, {"message": f"There is no order {order_id}."})

    charge(card, order["amount"])

    table.update_item(
        Key={"id": order_id},
        UpdateExpression="SET paid = :yes",
        ExpressionAttributeValues={":yes": True},
    )
    return reply(200, {"id": order_id, "paid": order["amount"]})
