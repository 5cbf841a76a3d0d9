"""What runs inside Lambda in the place of the user's code: carries events to the console and answers back."""
