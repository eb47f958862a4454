// Package api is pricing as its callers see it: shop.pricing.v1.Pricing.
package api

import (
	"context"
	"errors"
	"runtime"
	"strconv"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"shop/pricing/internal/pricingv1"
	"shop/pricing/internal/quote"
)

var quotes = promauto.NewCounterVec(prometheus.CounterOpts{
	Name: "pricing_quotes_total",
	Help: "Baskets priced; optimal: false when time ran out before it was proven that nothing is cheaper.",
}, []string{"optimal"})

// Pricing answers the RPCs. It refuses with INVALID_ARGUMENT what is no basket, and with RESOURCE_EXHAUSTED when there
// are so many of them that the caller's deadline would pass before its turn came.
type Pricing struct {
	engine *quote.Engine
	cores  cores
}

// New makes use of all cores that the process has.
func New(engine *quote.Engine) *Pricing {
	return &Pricing{engine, newCores(runtime.GOMAXPROCS(0))}
}

// Quote prices a basket.
func (p *Pricing) Quote(
	ctx context.Context, request *connect.Request[pricingv1.QuoteRequest],
) (*connect.Response[pricingv1.QuoteResponse], error) {
	basket, err := readQuote(request.Msg)
	if err != nil {
		return nil, err
	}
	found, inTime := p.engine.Quote(basket, p.cores.pace(ctx))
	if !inTime {
		return nil, busy(ctx)
	}
	quotes.WithLabelValues(strconv.FormatBool(found.Optimal)).Inc()
	money := func(amount int64) *pricingv1.Money {
		return &pricingv1.Money{Amount: amount, Currency: basket.Currency}
	}
	answer := &pricingv1.QuoteResponse{
		ListTotal: money(found.ListTotal), Total: money(found.Total), Optimal: found.Optimal,
	}
	for _, each := range found.Discounts {
		answer.Discounts = append(answer.Discounts, &pricingv1.Discount{
			Promotion: each.Promotion.ID, Label: each.Promotion.Label, Amount: money(each.Amount), Skus: each.SKUs,
		})
	}
	return connect.NewResponse(answer), nil
}

// Prices prices one piece of each of several products.
func (p *Pricing) Prices(
	ctx context.Context, request *connect.Request[pricingv1.PricesRequest],
) (*connect.Response[pricingv1.PricesResponse], error) {
	currency, lines, err := readLines(request.Msg.ProtoReflect(), request.Msg.GetLines(), false)
	if err != nil {
		return nil, err
	}
	answer := &pricingv1.PricesResponse{}
	inTime := p.cores.pace(ctx)(func(func() bool) {
		for index, line := range lines {
			price, used := p.engine.Price(currency, line)
			each := &pricingv1.Price{
				Sku:       line.SKU,
				ListPrice: request.Msg.GetLines()[index].GetListPrice(),
				Price:     &pricingv1.Money{Amount: price, Currency: currency},
			}
			if used != nil {
				each.Promotion = used.ID
			}
			answer.Prices = append(answer.Prices, each)
		}
	})
	if !inTime {
		return nil, busy(ctx)
	}
	return connect.NewResponse(answer), nil
}

// busy is the error of a request whose turn did not come. Who gave up hears nothing any more.
func busy(ctx context.Context) error {
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return connect.NewError(connect.CodeCanceled, err)
	}
	return connect.NewError(connect.CodeResourceExhausted, errors.New("too many baskets at once; try again later"))
}
