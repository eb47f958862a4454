package quote

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"shop/pricing/internal/promotion"
)

var (
	skus       = []string{"A", "B", "C", "D", "E"}
	categories = []string{"x", "y", "z"}
)

func euros(amount int64) *promotion.Money {
	return &promotion.Money{Amount: amount, Currency: "EUR"}
}

func drawSelector(t *rapid.T) promotion.Selector {
	switch rapid.IntRange(0, 3).Draw(t, "selector") {
	case 0:
		return promotion.Selector{Everything: true}
	case 1:
		return promotion.Selector{Products: rapid.SliceOfNDistinct(rapid.SampledFrom(skus), 1, 3, rapid.ID).Draw(t, "products")}
	default:
		return promotion.Selector{
			Categories: rapid.SliceOfNDistinct(rapid.SampledFrom(categories), 1, 2, rapid.ID).Draw(t, "categories"),
		}
	}
}

func drawPromotion(t *rapid.T) promotion.Promotion {
	var p promotion.Promotion
	p.Exclusive = rapid.SampledFrom([]string{"", "", "", "g", "h"}).Draw(t, "exclusive")
	p.Coupon = rapid.SampledFrom([]string{"", "", "", "ONE", "TWO"}).Draw(t, "coupon")
	p.Limit = rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "limit")
	of := drawSelector(t)
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		p.PercentOff, p.Of = rapid.Int64Range(1, 100).Draw(t, "percent"), &of
		p.Stackable = p.Limit == 0 && rapid.Bool().Draw(t, "stackable")
	case 1:
		p.AmountOff, p.Of = euros(rapid.Int64Range(1, 8).Draw(t, "amount")), &of
		p.Stackable = p.Limit == 0 && rapid.Bool().Draw(t, "stackable")
	case 2, 3:
		take := rapid.IntRange(2, 4).Draw(t, "take")
		p.NForM, p.Of = &promotion.NForM{Take: take, Pay: rapid.IntRange(1, take-1).Draw(t, "pay")}, &of
	case 4:
		p.Bundle = &promotion.Bundle{Price: *euros(rapid.Int64Range(1, 20).Draw(t, "price"))}
		p.Bundle.Items = []promotion.Item{{Count: rapid.IntRange(1, 2).Draw(t, "count"), Of: of}}
		if p.Bundle.Items[0].Count == 1 || rapid.Bool().Draw(t, "two items") {
			p.Bundle.Items = append(p.Bundle.Items, promotion.Item{Count: 1, Of: drawSelector(t)})
		}
	default:
		p.Limit = 0
		p.Spend = &promotion.Spend{AtLeast: *euros(rapid.Int64Range(1, 60).Draw(t, "at least"))}
		p.Stackable = rapid.Bool().Draw(t, "stackable")
		if rapid.Bool().Draw(t, "percent") {
			p.Spend.PercentOff = rapid.Int64Range(1, 100).Draw(t, "off")
		} else {
			p.Spend.AmountOff = euros(rapid.Int64Range(1, 20).Draw(t, "off"))
		}
	}
	return p
}

func drawBasket(t *rapid.T, pieces, quantity int, price int64) Basket {
	basket := Basket{Currency: rapid.SampledFrom([]string{"EUR", "EUR", "EUR", "USD"}).Draw(t, "currency")}
	basket.Coupons = rapid.SampledFrom([][]string{nil, {"ONE"}, {"ONE", "TWO"}}).Draw(t, "coupons")
	for _, sku := range rapid.SliceOfNDistinct(rapid.SampledFrom(skus), 1, len(skus), rapid.ID).Draw(t, "skus") {
		line := Line{
			SKU:      sku,
			Category: rapid.SampledFrom(categories).Draw(t, "category"),
			Quantity: rapid.IntRange(1, quantity).Draw(t, "quantity"),
			Price:    rapid.Int64Range(0, price).Draw(t, "price"),
		}
		if line.Quantity = min(line.Quantity, pieces); line.Quantity > 0 {
			basket.Lines = append(basket.Lines, line)
			pieces -= line.Quantity
		}
	}
	return basket
}

// checkSound fails for a quote that cannot be, whatever the promotions are.
func checkSound(t interface{ Fatalf(string, ...any) }, basket Basket, quote Quote) {
	left := quote.ListTotal
	for _, discount := range quote.Discounts {
		if discount.Amount <= 0 || len(discount.SKUs) == 0 {
			t.Fatalf("a discount of nothing: %+v", discount)
		}
		for _, sku := range discount.SKUs {
			if !slices.ContainsFunc(basket.Lines, func(line Line) bool { return line.SKU == sku }) {
				t.Fatalf("a discount on %s, which is not in the basket", sku)
			}
		}
		left -= discount.Amount
	}
	if quote.ListTotal != listTotal(basket) || left != quote.Total || quote.Total < 0 || quote.Total > quote.ListTotal {
		t.Fatalf("%d without %+v is not %d", quote.ListTotal, quote.Discounts, quote.Total)
	}
}

func TestNoCombinationIsCheaper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		promotions := rapid.SliceOfN(rapid.Custom(drawPromotion), 1, 5).Draw(t, "promotions")
		basket := drawBasket(t, 7, 3, 12)
		quote, ok := NewEngine(promotions).Quote(basket, Unhurried)
		if !ok || !quote.Optimal {
			t.Fatalf("with all the time it takes: %+v, %v", quote, ok)
		}
		checkSound(t, basket, quote)
		if want := oracleTotal(promotions, basket); quote.Total != want {
			t.Fatalf("quoted %+v; %d is possible", quote, want)
		}
	})
}

// exhaustive searches an offer without leaving anything out: with bounds that are as loose as can be.
func exhaustive(o *offer) int64 {
	for _, k := range o.packings {
		prices := make([]int64, len(k.kinds))
		for index := range k.kinds {
			prices[index] = k.kinds[index].price
		}
		k.bounds = boundsOf(k, prices)
		k.search(effort{width: 1 << 14, trust: 16}, func() bool { return true })
	}
	return o.total()
}

func TestWhatIsLeftOutOfASearchIsNotMissed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		promotions := rapid.SliceOfN(rapid.Custom(drawPromotion), 2, 4).Draw(t, "promotions")
		basket := drawBasket(t, 24, 8, 500)
		shop := NewEngine(promotions)
		quote, _ := shop.Quote(basket, Unhurried)
		best, proven := listTotal(basket), true
		for _, usable := range shop.choices(basket, true) {
			o := newOffer(promotions, usable, basket)
			best = min(best, exhaustive(o))
			proven = proven && o.optimal()
		}
		if proven && (quote.Total < best || quote.Optimal && quote.Total > best) {
			t.Fatalf("quoted %+v; exhaustively %d", quote, best)
		}
	})
}
