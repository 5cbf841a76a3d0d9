"""Events of the shop's bus: write to the customer. Here the letter is only printed."""

LETTERS = {
    "OrderShipped": "Your order {id} is on its way.",
    "OrderReturned": "Your order {id} came back to us. What was wrong with it?",
}


def handler(event, context):
    letter = LETTERS[event["detail-type"]].format(**event["detail"])
    print(letter)
    return {"sent": letter}
