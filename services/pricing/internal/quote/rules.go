package quote

import (
	"cmp"
	"fmt"
	"slices"

	"shop/pricing/internal/promotion"
)

// rule is one way in which a promotion uses pieces, so that their number has to be remembered while pieces are dealt
// out. A percentage or an amount without a limit needs no rule: a piece that nothing else uses takes the best of them.
type rule struct {
	promotion int
	form      form
	lines     []bool // which lines it selects
	pieces    int    // of these lines
	// limit is how many pieces it may use; 0 for any number.
	limit int
	// Of a group: how many pieces make one, and how many of these, the cheapest, are free.
	take, free int
	// Of a slot: which bundle, and how many pieces one bundle needs.
	bundle, count int
}

type form int

const (
	limited form = iota // a percentage or an amount off a limited number of pieces
	group               // N for M
	slot                // an item of a bundle
)

// bundle is a promotion with a rule for each of its items.
type bundle struct {
	promotion int
	price     int64
	slots     []int // its rules
	most      int   // how many of them the basket and the limit allow
}

// plan is stage 2 of a basket: its rules and bundles, and the best that a piece of each line gets without them.
type plan struct {
	promotions []promotion.Promotion
	basket     Basket
	prices     []int64
	rules      []rule
	bundles    []bundle
	single     []int64 // minor units off a piece of each line
	singleOf   []int   // the promotion; -1 for none
}

func newPlan(promotions []promotion.Promotion, usable []bool, basket Basket, prices []int64) *plan {
	p := &plan{promotions: promotions, basket: basket, prices: prices}
	p.single = make([]int64, len(prices))
	p.singleOf = slices.Repeat([]int{-1}, len(prices))
	for index := range promotions {
		each := &promotions[index]
		switch {
		case !usable[index] || each.Stackable || each.Spend != nil:
		case each.NForM != nil:
			p.addGroup(index, each)
		case each.Bundle != nil:
			p.addBundle(index, each.Bundle, each.Limit)
		default:
			p.addPieces(index, each)
		}
	}
	return p
}

func (p *plan) selected(selector *promotion.Selector) (lines []bool, pieces int) {
	lines = make([]bool, len(p.basket.Lines))
	for index, line := range p.basket.Lines {
		if lines[index] = selector.Selects(line.SKU, line.Category); lines[index] {
			pieces += line.Quantity
		}
	}
	return lines, pieces
}

func (p *plan) addPieces(index int, each *promotion.Promotion) {
	lines, pieces := p.selected(each.Of)
	if 0 < each.Limit && each.Limit < pieces {
		p.rules = append(p.rules, rule{
			promotion: index, form: limited, lines: lines, pieces: pieces, limit: each.Limit,
		})
		return
	}
	for line, selected := range lines {
		if off := pieceOff(each, p.prices[line]); selected && off > p.single[line] {
			p.single[line], p.singleOf[line] = off, index
		}
	}
}

func (p *plan) addGroup(index int, each *promotion.Promotion) {
	lines, pieces := p.selected(each.Of)
	take := each.NForM.Take
	if pieces < take {
		return
	}
	limit := each.Limit * take
	if limit >= pieces {
		limit = 0
	}
	p.rules = append(p.rules, rule{
		promotion: index, form: group, lines: lines, pieces: pieces, limit: limit, take: take, free: take - each.NForM.Pay,
	})
}

func (p *plan) addBundle(index int, each *promotion.Bundle, limit int) {
	added := bundle{promotion: index, price: each.Price.Amount, most: MaxLines * MaxQuantity}
	if limit > 0 {
		added.most = limit
	}
	var slots []rule
	worth := -added.price
	for item := range each.Items {
		lines, pieces := p.selected(&each.Items[item].Of)
		count := each.Items[item].Count
		added.most = min(added.most, pieces/count)
		slots = append(slots, rule{
			promotion: index, form: slot, lines: lines, pieces: pieces, bundle: len(p.bundles), count: count,
		})
		var dearest int64
		for line, selected := range lines {
			if selected {
				dearest = max(dearest, p.prices[line])
			}
		}
		worth += dearest * int64(count)
	}
	if added.most == 0 || worth <= 0 {
		return
	}
	for _, each := range slots {
		added.slots = append(added.slots, len(p.rules))
		p.rules = append(p.rules, each)
	}
	p.bundles = append(p.bundles, added)
}

// off is what a limited rule takes off a piece of this price.
func (p *plan) off(r *rule, price int64) int64 { return pieceOff(&p.promotions[r.promotion], price) }

// kind is pieces that no promotion tells apart: of one price after stage 1, and selected by the same rules.
type kind struct {
	price    int64
	count    int
	lines    []int
	rules    []bool
	single   int64
	singleOf int
}

// kinds are those of the basket, the dearest first: N for M gives its cheapest pieces free, so when pieces are dealt
// out in this order, the last ones of each group are the free ones.
func (p *plan) kinds() []kind {
	var kinds []kind
	found := map[string]int{}
	for line := range p.basket.Lines {
		rules := make([]bool, len(p.rules))
		for index := range p.rules {
			rules[index] = p.rules[index].lines[line]
		}
		key := fmt.Sprint(p.prices[line], p.single[line], p.singleOf[line], rules)
		index, known := found[key]
		if !known {
			index = len(kinds)
			found[key] = index
			kinds = append(kinds, kind{
				price: p.prices[line], rules: rules, single: p.single[line], singleOf: p.singleOf[line],
			})
		}
		kinds[index].count += p.basket.Lines[line].Quantity
		kinds[index].lines = append(kinds[index].lines, line)
	}
	slices.SortStableFunc(kinds, func(a, b kind) int {
		return cmp.Compare(b.price, a.price)
	})
	return kinds
}

// packings splits stage 2 into parts that share no piece and no promotion: each is searched by itself.
func packings(promotions []promotion.Promotion, usable []bool, basket Basket, prices []int64) []*packing {
	p := newPlan(promotions, usable, basket, prices)
	parent := make([]int, len(p.rules))
	for index := range parent {
		parent[index] = index
	}
	var root func(int) int
	root = func(index int) int {
		if parent[index] != index {
			parent[index] = root(parent[index])
		}
		return parent[index]
	}
	for _, each := range p.bundles {
		for _, index := range each.slots {
			parent[root(index)] = root(each.slots[0])
		}
	}
	kinds := p.kinds()
	for _, each := range kinds {
		first := slices.Index(each.rules, true)
		for index, selected := range each.rules {
			if selected {
				parent[root(index)] = root(first)
			}
		}
	}
	parts := map[int][]kind{}
	var order []int // of the parts, so that nothing depends on the order of a map
	for _, each := range kinds {
		part := -1
		if first := slices.Index(each.rules, true); first >= 0 {
			part = root(first)
		}
		if parts[part] == nil {
			order = append(order, part)
		}
		parts[part] = append(parts[part], each)
	}
	var found []*packing
	for _, part := range order {
		found = append(found, newPacking(p, parts[part]))
	}
	return found
}
