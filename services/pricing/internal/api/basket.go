package api

import (
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"

	"shop/pricing/internal/pricingv1"
	"shop/pricing/internal/promotion"
	"shop/pricing/internal/quote"
)

const (
	maxCoupons     = 20
	maxCouponBytes = 64
)

// refuse is INVALID_ARGUMENT with a sentence for people. It names the field; values are not repeated.
func refuse(format string, values ...any) error {
	return connect.NewError(connect.CodeInvalidArgument, fmt.Errorf(format, values...))
}

// readQuote gives the basket of a request. What this version does not know is refused: it may change the price.
func readQuote(request *pricingv1.QuoteRequest) (quote.Basket, error) {
	currency, lines, err := readLines(request.ProtoReflect(), request.GetLines(), true)
	if err != nil {
		return quote.Basket{}, err
	}
	if len(lines) == 0 {
		return quote.Basket{}, refuse("lines: has to have 1 to %d", quote.MaxLines)
	}
	coupons := request.GetCoupons()
	if len(coupons) > maxCoupons {
		return quote.Basket{}, refuse("coupons: has to have at most %d", maxCoupons)
	}
	for index, coupon := range coupons {
		if len(coupon) > maxCouponBytes {
			return quote.Basket{}, refuse("coupons[%d]: has to have at most %d bytes", index, maxCouponBytes)
		}
	}
	return quote.Basket{Currency: currency, Lines: lines, Coupons: coupons}, nil
}

// readLines checks lines, and gives them with the currency that all of them have.
func readLines(request protoreflect.Message, given []*pricingv1.Line, withQuantity bool) (string, []quote.Line, error) {
	if len(request.GetUnknown()) > 0 {
		return "", nil, refuse("the request has fields that are not known here")
	}
	if len(given) > quote.MaxLines {
		return "", nil, refuse("lines: has to have at most %d", quote.MaxLines)
	}
	lines := make([]quote.Line, 0, len(given))
	seen := make(map[string]bool, len(given))
	currency := ""
	for index, each := range given {
		line, err := readLine(each, withQuantity)
		if err != nil {
			return "", nil, refuse("lines[%d].%w", index, err)
		}
		if seen[line.SKU] {
			return "", nil, refuse("lines[%d].sku: has to be another than those of the lines before", index)
		}
		seen[line.SKU] = true
		if index == 0 {
			currency = each.GetListPrice().GetCurrency()
		}
		if each.GetListPrice().GetCurrency() != currency {
			return "", nil, refuse("lines[%d].list_price.currency: has to be that of the first line", index)
		}
		lines = append(lines, line)
	}
	return currency, lines, nil
}

func readLine(given *pricingv1.Line, withQuantity bool) (quote.Line, error) {
	price := given.GetListPrice()
	quantity := given.GetQuantity()
	if !withQuantity {
		quantity = 1
	}
	switch {
	case len(given.ProtoReflect().GetUnknown())+len(price.ProtoReflect().GetUnknown()) > 0:
		return quote.Line{}, errors.New("*: has fields that are not known here")
	case !promotion.SKUPattern.MatchString(given.GetSku()):
		return quote.Line{}, fmt.Errorf("sku: has to match %s", promotion.SKUPattern)
	case given.GetCategory() != "" && !promotion.CategoryPattern.MatchString(given.GetCategory()):
		return quote.Line{}, fmt.Errorf("category: has to be empty or match %s", promotion.CategoryPattern)
	case quantity < 1 || quantity > quote.MaxQuantity:
		return quote.Line{}, fmt.Errorf("quantity: has to be from 1 to %d", quote.MaxQuantity)
	case price.GetAmount() < 0 || price.GetAmount() > promotion.MaxAmount:
		return quote.Line{}, fmt.Errorf("list_price.amount: has to be from 0 to %d", promotion.MaxAmount)
	case !promotion.CurrencyPattern.MatchString(price.GetCurrency()):
		return quote.Line{}, fmt.Errorf("list_price.currency: has to match %s", promotion.CurrencyPattern)
	}
	return quote.Line{
		SKU: given.GetSku(), Category: given.GetCategory(), Quantity: int(quantity), Price: price.GetAmount(),
	}, nil
}
