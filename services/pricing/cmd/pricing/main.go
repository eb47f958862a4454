// Command pricing finds the best combination of promotions for a basket, and says so by gRPC.
package main

import (
	"net/http"
	"os"

	"shop/chassis"

	"shop/pricing/internal/api"
	"shop/pricing/internal/pricingv1/pricingv1connect"
	"shop/pricing/internal/promotion"
	"shop/pricing/internal/quote"
)

func main() { os.Exit(chassis.Main(service)) }

func service() (chassis.Service, error) {
	promotions, err := promotion.Load()
	if err != nil {
		return chassis.Service{}, err
	}
	options, err := chassis.RPCOptions()
	if err != nil {
		return chassis.Service{}, err
	}
	_, handler := pricingv1connect.NewPricingHandler(api.New(quote.NewEngine(promotions)), options)
	return chassis.Service{
		Routes: map[string]http.Handler{
			pricingv1connect.PricingQuoteProcedure:  handler,
			pricingv1connect.PricingPricesProcedure: handler,
		},
		RPCServices: []string{pricingv1connect.PricingName},
	}, nil
}
