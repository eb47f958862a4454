package quote

import (
	"math/bits"

	"shop/pricing/internal/promotion"
)

// oracle prices a small basket by trying everything, straight from the definition: every choice among exclusive
// promotions, every way to put pieces together. It shares no code with what it checks.
type oracle struct {
	promotions []promotion.Promotion
	pieces     []Line // of quantity 1, at the price after stage 1
	best       int64
}

func oracleTotal(promotions []promotion.Promotion, basket Basket) int64 {
	var list int64
	for _, line := range basket.Lines {
		list += line.Price * int64(line.Quantity)
	}
	best := list
	var choose func(index int, chosen []promotion.Promotion)
	choose = func(index int, chosen []promotion.Promotion) {
		if index == len(promotions) {
			best = min(best, oracleChosen(chosen, basket, list))
			return
		}
		p := promotions[index]
		choose(index+1, chosen)
		for _, other := range chosen {
			if p.Exclusive != "" && other.Exclusive == p.Exclusive {
				return
			}
		}
		choose(index+1, append(chosen[:len(chosen):len(chosen)], p))
	}
	choose(0, nil)
	return best
}

// oracleChosen is the cheapest total with these promotions, which may be used all together.
func oracleChosen(promotions []promotion.Promotion, basket Basket, list int64) int64 {
	var usable []promotion.Promotion
	for _, p := range promotions {
		known := p.Coupon == ""
		for _, coupon := range basket.Coupons {
			known = known || coupon == p.Coupon
		}
		if known && (p.Spend == nil || p.Spend.AtLeast.Amount <= list) &&
			(p.Currency() == "" || p.Currency() == basket.Currency) {
			usable = append(usable, p)
		}
	}
	o := oracle{promotions: usable}
	var left int64
	for _, line := range basket.Lines {
		for _, p := range usable {
			if p.Stackable && p.Of != nil && selects(*p.Of, line) {
				line.Price -= oracleOff(p.AmountOff, p.PercentOff, line.Price)
			}
		}
		for range line.Quantity {
			o.pieces = append(o.pieces, line)
			left += line.Price
		}
	}
	o.pack(0, 0, make([]int, len(usable)))
	packed := left - o.best
	for _, p := range usable {
		if p.Spend != nil && !p.Stackable {
			packed = min(packed, left-oracleOff(p.Spend.AmountOff, p.Spend.PercentOff, left))
		}
	}
	for _, p := range usable {
		if p.Spend != nil && p.Stackable {
			packed -= oracleOff(p.Spend.AmountOff, p.Spend.PercentOff, packed)
		}
	}
	return packed
}

func selects(selector promotion.Selector, line Line) bool {
	found := selector.Everything
	for _, sku := range selector.Products {
		found = found || sku == line.SKU
	}
	for _, category := range selector.Categories {
		found = found || category == line.Category
	}
	return found
}

func oracleOff(amount *promotion.Money, percent, price int64) int64 {
	if amount != nil {
		return min(amount.Amount, price)
	}
	return (price*percent*2 + 100) / 200
}

// pack tries every use of the first piece that is still free.
func (o *oracle) pack(used uint, gain int64, uses []int) {
	o.best = max(o.best, gain)
	first := bits.TrailingZeros(^used)
	if first >= len(o.pieces) {
		return
	}
	o.pack(used|1<<first, gain, uses)
	for set := uint(1); set < 1<<len(o.pieces); set++ {
		if set&used != 0 || bits.TrailingZeros(set) != first {
			continue
		}
		for index, p := range o.promotions {
			if p.Limit > 0 && uses[index] == p.Limit {
				continue
			}
			if worth, possible := o.use(p, set); possible {
				uses[index]++
				o.pack(used|set, gain+worth, uses)
				uses[index]--
			}
		}
	}
}

// use is what one use of a promotion, for exactly these pieces, takes off.
func (o *oracle) use(p promotion.Promotion, set uint) (int64, bool) {
	var pieces []Line
	for index, piece := range o.pieces {
		if set&(1<<index) != 0 {
			pieces = append(pieces, piece)
		}
	}
	switch {
	case p.Stackable || p.Spend != nil:
		return 0, false
	case p.Bundle != nil:
		var sum int64
		for _, piece := range pieces {
			sum += piece.Price
		}
		return sum - p.Bundle.Price.Amount, fits(p.Bundle.Items, pieces)
	}
	for _, piece := range pieces {
		if !selects(*p.Of, piece) {
			return 0, false
		}
	}
	if p.NForM == nil {
		return oracleOff(p.AmountOff, p.PercentOff, pieces[0].Price), len(pieces) == 1
	}
	if len(pieces) != p.NForM.Take {
		return 0, false
	}
	var free int64
	for range p.NForM.Take - p.NForM.Pay {
		cheapest := 0
		for index := range pieces {
			if pieces[index].Price < pieces[cheapest].Price {
				cheapest = index
			}
		}
		free += pieces[cheapest].Price
		pieces = append(pieces[:cheapest:cheapest], pieces[cheapest+1:]...)
	}
	return free, true
}

// fits says whether the pieces are what the items ask for, no more and no less.
func fits(items []promotion.Item, pieces []Line) bool {
	if len(pieces) == 0 {
		for _, item := range items {
			if item.Count > 0 {
				return false
			}
		}
		return true
	}
	for index, item := range items {
		if item.Count > 0 && selects(item.Of, pieces[0]) {
			rest := append([]promotion.Item{}, items...)
			rest[index].Count--
			if fits(rest, pieces[1:]) {
				return true
			}
		}
	}
	return false
}
