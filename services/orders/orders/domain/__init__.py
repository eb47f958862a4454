"""What an order is, what may happen to it and what follows: pure functions, no I/O.

basket: what is ordered, and what it costs. order: the order as a fold over its events. saga: what each message makes
of an order.
"""
