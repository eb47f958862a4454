from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Money(_message.Message):
    __slots__ = ("amount", "currency")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    amount: int
    currency: str
    def __init__(self, amount: _Optional[int] = ..., currency: _Optional[str] = ...) -> None: ...

class Line(_message.Message):
    __slots__ = ("sku", "category", "quantity", "list_price")
    SKU_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    LIST_PRICE_FIELD_NUMBER: _ClassVar[int]
    sku: str
    category: str
    quantity: int
    list_price: Money
    def __init__(self, sku: _Optional[str] = ..., category: _Optional[str] = ..., quantity: _Optional[int] = ..., list_price: _Optional[_Union[Money, _Mapping]] = ...) -> None: ...

class QuoteRequest(_message.Message):
    __slots__ = ("lines", "coupons")
    LINES_FIELD_NUMBER: _ClassVar[int]
    COUPONS_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[Line]
    coupons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, lines: _Optional[_Iterable[_Union[Line, _Mapping]]] = ..., coupons: _Optional[_Iterable[str]] = ...) -> None: ...

class Discount(_message.Message):
    __slots__ = ("promotion", "label", "amount", "skus")
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SKUS_FIELD_NUMBER: _ClassVar[int]
    promotion: str
    label: str
    amount: Money
    skus: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, promotion: _Optional[str] = ..., label: _Optional[str] = ..., amount: _Optional[_Union[Money, _Mapping]] = ..., skus: _Optional[_Iterable[str]] = ...) -> None: ...

class QuoteResponse(_message.Message):
    __slots__ = ("list_total", "discounts", "total", "optimal")
    LIST_TOTAL_FIELD_NUMBER: _ClassVar[int]
    DISCOUNTS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    OPTIMAL_FIELD_NUMBER: _ClassVar[int]
    list_total: Money
    discounts: _containers.RepeatedCompositeFieldContainer[Discount]
    total: Money
    optimal: bool
    def __init__(self, list_total: _Optional[_Union[Money, _Mapping]] = ..., discounts: _Optional[_Iterable[_Union[Discount, _Mapping]]] = ..., total: _Optional[_Union[Money, _Mapping]] = ..., optimal: bool = ...) -> None: ...

class PricesRequest(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[Line]
    def __init__(self, lines: _Optional[_Iterable[_Union[Line, _Mapping]]] = ...) -> None: ...

class Price(_message.Message):
    __slots__ = ("sku", "list_price", "price", "promotion")
    SKU_FIELD_NUMBER: _ClassVar[int]
    LIST_PRICE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_FIELD_NUMBER: _ClassVar[int]
    sku: str
    list_price: Money
    price: Money
    promotion: str
    def __init__(self, sku: _Optional[str] = ..., list_price: _Optional[_Union[Money, _Mapping]] = ..., price: _Optional[_Union[Money, _Mapping]] = ..., promotion: _Optional[str] = ...) -> None: ...

class PricesResponse(_message.Message):
    __slots__ = ("prices",)
    PRICES_FIELD_NUMBER: _ClassVar[int]
    prices: _containers.RepeatedCompositeFieldContainer[Price]
    def __init__(self, prices: _Optional[_Iterable[_Union[Price, _Mapping]]] = ...) -> None: ...
