// Package quote finds the cheapest price of a basket: the best combination of promotions, exactly, as far as time
// allows.
//
// What a combination is worth is defined in three stages, each worked out on what the one before has left:
//
//  1. Stackable percentages and amounts come off each piece, in the order of the file.
//  2. Other promotions use up pieces: a piece is used by one of them at most. Which piece goes where is what is
//     searched.
//  3. Stackable spend promotions come off the basket, in the order of the file. One that is not stackable uses up
//     the whole basket: it takes the place of stage 2. What has to be spent for either is counted at list prices.
//
// Of an exclusive group one promotion at most is used. A percentage is rounded to the nearest minor unit, each piece
// by itself, half a unit in favour of the customer. Every stage leaves less when it is given less, so that the best of
// each makes the best of all.
package quote

import (
	"slices"

	"shop/pricing/internal/promotion"
)

// The bounds of a basket. With promotion.MaxAmount they keep every sum below 2^57: nothing here can overflow.
const (
	MaxLines    = 100
	MaxQuantity = 1000
)

// Line is a product of a basket: 1 to MaxQuantity pieces at a list price of 0 to promotion.MaxAmount minor units.
type Line struct {
	SKU, Category string
	Quantity      int
	Price         int64
}

// Basket has at most MaxLines lines, each of another SKU.
type Basket struct {
	Currency string
	Lines    []Line
	Coupons  []string
}

// Discount is what one promotion takes off a basket, and the products that it is about, in the order of the lines.
type Discount struct {
	Promotion *promotion.Promotion
	Amount    int64
	SKUs      []string
}

// Quote is the price of a basket. Total is ListTotal without the discounts, which are all positive and in the order of
// the file. Optimal says that no combination of promotions is cheaper.
type Quote struct {
	ListTotal, Total int64
	Discounts        []Discount
	Optimal          bool
}

// Pace lets a search do its work in pieces, one at a time. It calls work with a function that says whether there is
// still time, and returns whether it did: false when the time was over before.
type Pace func(work func(inTime func() bool)) bool

// Unhurried is for those who have all the time that it takes.
func Unhurried(work func(inTime func() bool)) bool {
	work(func() bool { return true })
	return true
}

// Engine quotes baskets. It is safe for concurrent use.
type Engine struct {
	promotions []promotion.Promotion
	groups     [][]int
}

// NewEngine takes promotions that were checked by promotion.Parse.
func NewEngine(promotions []promotion.Promotion) *Engine {
	return &Engine{promotions, promotion.Groups(promotions)}
}

// Quote gives the cheapest price of a basket that it finds, and false when pace left no time for any.
func (e *Engine) Quote(basket Basket, pace Pace) (Quote, bool) {
	return e.quote(basket, pace, true)
}

// Price gives the price of one piece of a product in a shop window, and the promotion that takes most off it (nil for
// none): those that need other pieces, a coupon or a whole basket do not count.
func (e *Engine) Price(currency string, line Line) (int64, *promotion.Promotion) {
	line.Quantity = 1
	found, _ := e.quote(Basket{Currency: currency, Lines: []Line{line}}, Unhurried, false)
	var most Discount
	for _, each := range found.Discounts {
		if each.Amount > most.Amount {
			most = each
		}
	}
	return found.Total, most.Promotion
}

func (e *Engine) quote(basket Basket, pace Pace, withSpend bool) (Quote, bool) {
	var offers []*offer
	var best *Quote
	if !pace(func(inTime func() bool) {
		for _, usable := range e.choices(basket, withSpend) {
			each := newOffer(e.promotions, usable, basket)
			each.search(efforts[0], inTime)
			offers = append(offers, each)
			best = cheaper(best, each)
		}
	}) {
		return Quote{}, false
	}
	for _, effort := range efforts[1:] {
		for _, each := range offers {
			if each.optimal() {
				continue
			}
			if !pace(func(inTime func() bool) { each.search(effort, inTime) }) {
				return *best, true
			}
			best = cheaper(best, each)
		}
	}
	best.Optimal = !slices.ContainsFunc(offers, func(each *offer) bool { return !each.optimal() })
	return *best, true
}

func cheaper(best *Quote, candidate *offer) *Quote {
	if best == nil || candidate.total() < best.Total {
		quote := candidate.quote()
		return &quote
	}
	return best
}

// choices are the sets of promotions that may be used together: one of each exclusive group.
func (e *Engine) choices(basket Basket, withSpend bool) [][]bool {
	usable := make([]bool, len(e.promotions))
	for index := range e.promotions {
		p := &e.promotions[index]
		usable[index] = p.HasCoupon(basket.Coupons) &&
			(p.Currency() == "" || p.Currency() == basket.Currency) &&
			(p.Spend == nil || withSpend && listTotal(basket) >= p.Spend.AtLeast.Amount)
	}
	choices := [][]bool{usable}
	for _, group := range e.groups {
		members := slices.DeleteFunc(slices.Clone(group), func(index int) bool { return !usable[index] })
		if len(members) < 2 {
			continue
		}
		var more [][]bool
		for _, choice := range choices {
			for _, member := range members {
				one := slices.Clone(choice)
				for _, other := range members {
					one[other] = other == member
				}
				more = append(more, one)
			}
		}
		choices = more
	}
	return choices
}

func listTotal(basket Basket) int64 {
	var total int64
	for _, line := range basket.Lines {
		total += line.Price * int64(line.Quantity)
	}
	return total
}

// percentOf rounds half up. At most 100 percent of promotion.MaxAmount * MaxLines * MaxQuantity: below 2^63.
func percentOf(amount, percent int64) int64 {
	return amount/100*percent + (amount%100*percent+50)/100
}
