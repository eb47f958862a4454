// Package promotion is what the shop offers: the promotions of promotions.yaml, read and checked once, at the start.
package promotion

// Money is in minor units (cents) of an ISO 4217 currency.
type Money struct {
	Amount   int64  `yaml:"amount"`
	Currency string `yaml:"currency"`
}

// Selector says which products a promotion is about: the named ones, those of the named categories, or all.
type Selector struct {
	Products   []string `yaml:"products"`
	Categories []string `yaml:"categories"`
	Everything bool     `yaml:"everything"`
}

// Selects says whether a product is one of them.
func (s Selector) Selects(sku, category string) bool {
	if s.Everything {
		return true
	}
	for _, each := range s.Products {
		if each == sku {
			return true
		}
	}
	for _, each := range s.Categories {
		if each == category {
			return true
		}
	}
	return false
}

// NForM gives Take pieces, mixed as the caller likes, for the price of the Pay most expensive of them.
type NForM struct {
	Take int `yaml:"take"`
	Pay  int `yaml:"pay"`
}

// Item is a part of a bundle: Count pieces of what it selects, mixed as the caller likes.
type Item struct {
	Count int      `yaml:"count"`
	Of    Selector `yaml:"of"`
}

// Bundle gives all its items for one price.
type Bundle struct {
	Price Money  `yaml:"price"`
	Items []Item `yaml:"items"`
}

// Spend gives an amount or a percentage of the basket's total to who buys for AtLeast, counted at list prices.
type Spend struct {
	AtLeast    Money  `yaml:"at_least"`
	PercentOff int64  `yaml:"percent_off"`
	AmountOff  *Money `yaml:"amount_off"`
}

// Promotion is one of five kinds; the field of its kind is set, and no other.
type Promotion struct {
	ID    string `yaml:"id"`
	Label string `yaml:"label"`

	PercentOff int64   `yaml:"percent_off"`
	AmountOff  *Money  `yaml:"amount_off"`
	NForM      *NForM  `yaml:"n_for_m"`
	Bundle     *Bundle `yaml:"bundle"`
	Spend      *Spend  `yaml:"spend"`

	// Of is what a percentage, an amount or N for M is about.
	Of *Selector `yaml:"of"`
	// Coupon is the code that a caller has to know; empty for everybody.
	Coupon string `yaml:"coupon"`
	// Exclusive is a group of which one promotion at most is used in a basket; empty for none.
	Exclusive string `yaml:"exclusive"`
	// Stackable comes off first, piece by piece (of the basket: last), whatever else is used for the piece.
	Stackable bool `yaml:"stackable"`
	// Limit is how often the promotion is used in a basket: pieces, groups or bundles; 0 for as often as it fits.
	Limit int `yaml:"limit"`
}

// Currency is the one that the promotion is for; empty for all.
func (p *Promotion) Currency() string {
	switch {
	case p.AmountOff != nil:
		return p.AmountOff.Currency
	case p.Bundle != nil:
		return p.Bundle.Price.Currency
	case p.Spend != nil:
		return p.Spend.AtLeast.Currency
	default:
		return ""
	}
}
