"""GET /orders/{id}: one order."""

from shop import reply, table


def handler(event, context):
    order_id = event["pathParameters"]["id"]
    order = table.get_item(Key={"id": order_id}).get("Item")
    if order is None:
        return reply(404, {"message": f"There is no order {order_id}."})
    return reply(200, order)
