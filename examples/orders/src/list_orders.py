"""GET /orders: some of the orders."""

from shop import reply, table


def handler(event, context):
    orders = table.scan(Limit=20)["Items"]
    print(f"{len(orders)} orders")
    return reply(200, {"orders": orders})
