"""Documents as the shop answers them."""

from typing import Any

ORDER_ID = "01990000-0000-7000-8000-000000000001"


def eur(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}


def order(status: str = "placed", **changed: Any) -> dict[str, Any]:
    return {
        "id": ORDER_ID,
        "status": status,
        "lines": [{"sku": "TEA-GREEN-100", "name": "Green tea", "quantity": 2, "unit_price": eur(625)}],
        "discounts": [{"promotion": "spring", "label": "Spring: 10 % off tea", "amount": eur(125)}],
        "total": eur(1125),
        "priced_by": "promotions",
        "payment_method": "card",
        "placed_at": "2026-03-01T12:00:00Z",
        "cancellation": None,
    } | changed


def history(*steps: str) -> dict[str, Any]:
    """Each step half a second after the one before."""
    items = [
        {
            "version": number + 1,
            "type": f"order.{step}",
            "occurred_at": f"2026-03-01T12:00:{number // 2:02}.{5 * (number % 2)}Z",
            "data": {},
        }
        for number, step in enumerate(steps)
    ]
    return {"items": items}


def page(*items: Any, next_cursor: str | None = None) -> dict[str, Any]:
    return {"items": list(items), "next_cursor": next_cursor}


def product(sku: str = "TEA-GREEN-100", **changed: Any) -> dict[str, Any]:
    return {
        "sku": sku,
        "name": "Green tea",
        "description": "From the first flush.",
        "category": "tea",
        "list_price": eur(625),
        "active": True,
        "version": 1,
    } | changed


def offer(**changed: Any) -> dict[str, Any]:
    """The answer of GraphQL."""
    shown = {
        "sku": "TEA-GREEN-100",
        "name": "Green tea",
        "description": "From the first flush.",
        "category": "tea",
        "list_price": eur(625),
        "price": eur(500) | {"promotion": "spring", "source": "PRICING"},
        "stock": {"available": 12, "source": "INVENTORY"},
    }
    return {"data": {"product": shown | changed}}
