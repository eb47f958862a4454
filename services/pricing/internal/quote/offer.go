package quote

import (
	"shop/pricing/internal/promotion"
)

// offer is a basket with the promotions that may be used together. Stages 1 and 3 are worked out at once; stage 2 is
// searched, and has an answer at any time.
type offer struct {
	promotions []promotion.Promotion
	usable     []bool
	basket     Basket
	// prices are those of a piece of each line after stage 1.
	prices   []int64
	packings []*packing
	// instead is the promotion that takes the place of stage 2 at best; -1 for none.
	instead       int
	insteadAmount int64
}

func newOffer(promotions []promotion.Promotion, usable []bool, basket Basket) *offer {
	o := &offer{promotions: promotions, usable: usable, basket: basket, instead: -1}
	var left int64
	for index := range basket.Lines {
		price := o.afterStackables(index, nil)
		o.prices = append(o.prices, price)
		left += price * int64(basket.Lines[index].Quantity)
	}
	o.packings = packings(promotions, usable, basket, o.prices)
	for index := range promotions {
		if p := &promotions[index]; usable[index] && p.Spend != nil && !p.Stackable {
			if amount := spendOff(p.Spend, left); amount > o.insteadAmount {
				o.instead, o.insteadAmount = index, amount
			}
		}
	}
	return o
}

// afterStackables is stage 1 for a piece of a line. It tells taken, unless that is nil, what comes off.
func (o *offer) afterStackables(line int, taken func(promotion int, amount int64)) int64 {
	price := o.basket.Lines[line].Price
	for index := range o.promotions {
		p := &o.promotions[index]
		if !o.usable[index] || !p.Stackable || p.Of == nil || !o.selects(p.Of, line) {
			continue
		}
		amount := pieceOff(p, price)
		price -= amount
		if taken != nil {
			taken(index, amount)
		}
	}
	return price
}

func (o *offer) selects(selector *promotion.Selector, line int) bool {
	return selector.Selects(o.basket.Lines[line].SKU, o.basket.Lines[line].Category)
}

// pieceOff is what a percentage or an amount takes off a piece.
func pieceOff(p *promotion.Promotion, price int64) int64 {
	if p.AmountOff != nil {
		return min(p.AmountOff.Amount, price)
	}
	return percentOf(price, p.PercentOff)
}

func spendOff(spend *promotion.Spend, left int64) int64 {
	if spend.AmountOff != nil {
		return min(spend.AmountOff.Amount, left)
	}
	return percentOf(left, spend.PercentOff)
}

// search looks for better packings.
func (o *offer) search(effort effort, inTime func() bool) {
	for _, each := range o.packings {
		if !each.optimal {
			each.search(effort, inTime)
		}
	}
}

func (o *offer) optimal() bool {
	for _, each := range o.packings {
		if !each.optimal {
			return false
		}
	}
	return true
}

// total is what quote says, without the rest of it.
func (o *offer) total() int64 {
	var left, gain int64
	for index, price := range o.prices {
		left += price * int64(o.basket.Lines[index].Quantity)
	}
	for _, each := range o.packings {
		gain += each.gain
	}
	left -= max(gain, o.insteadAmount)
	for index := range o.promotions {
		if p := &o.promotions[index]; o.usable[index] && p.Spend != nil && p.Stackable {
			left -= spendOff(p.Spend, left)
		}
	}
	return left
}

// quote is the best answer so far.
func (o *offer) quote() Quote {
	list := listTotal(o.basket)
	ledger := newLedger(o.promotions, o.basket)
	left := list
	for line := range o.basket.Lines {
		quantity := int64(o.basket.Lines[line].Quantity)
		o.afterStackables(line, func(index int, amount int64) {
			left -= amount * quantity
			ledger.add(index, amount*quantity, line)
		})
	}
	var gain int64
	for _, each := range o.packings {
		gain += each.gain
	}
	if gain >= o.insteadAmount {
		left -= gain
		for _, each := range o.packings {
			each.tell(ledger)
		}
	} else {
		left -= o.insteadAmount
		ledger.addAll(o.instead, o.insteadAmount)
	}
	for index := range o.promotions {
		if p := &o.promotions[index]; o.usable[index] && p.Spend != nil && p.Stackable {
			amount := spendOff(p.Spend, left)
			left -= amount
			ledger.addAll(index, amount)
		}
	}
	return Quote{ListTotal: list, Total: left, Discounts: ledger.discounts(), Optimal: o.optimal()}
}

// ledger adds up what each promotion takes off.
type ledger struct {
	promotions []promotion.Promotion
	basket     Basket
	amounts    []int64
	lines      [][]bool
}

func newLedger(promotions []promotion.Promotion, basket Basket) *ledger {
	return &ledger{promotions, basket, make([]int64, len(promotions)), make([][]bool, len(promotions))}
}

// add notes that a promotion takes an amount off, for pieces of a line.
func (l *ledger) add(index int, amount int64, line int) {
	if amount != 0 {
		l.amounts[index] += amount
		l.touch(index, line)
	}
}

func (l *ledger) addAll(index int, amount int64) {
	l.amounts[index] += amount
	for line := range l.basket.Lines {
		l.touch(index, line)
	}
}

// touch notes that a promotion is about a line.
func (l *ledger) touch(index, line int) {
	if l.lines[index] == nil {
		l.lines[index] = make([]bool, len(l.basket.Lines))
	}
	l.lines[index][line] = true
}

func (l *ledger) discounts() []Discount {
	var discounts []Discount
	for index, amount := range l.amounts {
		if amount == 0 {
			continue
		}
		discount := Discount{Promotion: &l.promotions[index], Amount: amount}
		for line, touched := range l.lines[index] {
			if touched {
				discount.SKUs = append(discount.SKUs, l.basket.Lines[line].SKU)
			}
		}
		discounts = append(discounts, discount)
	}
	return discounts
}
