package quote

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"shop/pricing/internal/promotion"
)

func engine(t testing.TB, document string) *Engine {
	t.Helper()
	promotions, err := promotion.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return NewEngine(promotions)
}

// basket is in euros: lines like "3 TEA tea 500" are quantity, SKU, category and price in cents.
func basket(t testing.TB, lines string, coupons ...string) Basket {
	t.Helper()
	made := Basket{Currency: "EUR", Coupons: coupons}
	for each := range strings.SplitSeq(lines, ",") {
		var line Line
		if _, err := fmt.Sscan(each, &line.Quantity, &line.SKU, &line.Category, &line.Price); err != nil {
			t.Fatal(err)
		}
		made.Lines = append(made.Lines, line)
	}
	return made
}

// said is a quote in one line: each discount with its products, and the total.
func said(quote Quote) string {
	var words []string
	for _, each := range quote.Discounts {
		words = append(words, fmt.Sprintf("%s %d on %s;", each.Promotion.ID, each.Amount, strings.Join(each.SKUs, " ")))
	}
	return strings.Join(append(words, fmt.Sprint(quote.Total)), " ")
}

const teaShop = `
promotions:
  - {id: sale, label: s, percent_off: 10, of: {categories: [mugs]}, stackable: true}
  - {id: three, label: t, n_for_m: {take: 3, pay: 2}, of: {categories: [tea, mugs]}}
  - {id: half, label: h, percent_off: 50, of: {categories: [biscuits]}, limit: 3}
  - {id: set, label: s, bundle: {price: {amount: 1000, currency: EUR}, items: [
      {count: 1, of: {categories: [tea]}}, {count: 2, of: {categories: [biscuits]}}]}}
  - {id: code, label: c, amount_off: {amount: 300, currency: EUR}, of: {categories: [tea]}, coupon: TEA}
  - {id: fifty, label: f, spend: {at_least: {amount: 5000, currency: EUR}, percent_off: 10}, stackable: true, exclusive: b}
  - {id: ten, label: t, spend: {at_least: {amount: 5000, currency: EUR}, amount_off: {amount: 400, currency: EUR}},
      stackable: true, exclusive: b}
  - {id: all, label: a, spend: {at_least: {amount: 1, currency: EUR}, percent_off: 30}, coupon: ALL}
`

func TestExamples(t *testing.T) {
	shop := engine(t, teaShop)
	for _, each := range []struct {
		promise, lines, coupons, want string
	}{
		{"nothing for what has no promotion", "2 PEN pens 199", "", "398"},
		{"the cheapest of three is free", "1 A tea 900,1 B tea 700,1 C tea 500", "", "three 500 on A B C; 1600"},
		{"groups are made so that the dear ones are free, too", "3 A tea 900,3 B tea 300", "", "three 1200 on A B; 2400"},
		{"a piece that is in no whole group is paid", "4 A tea 500", "", "three 500 on A; 1500"},
		{"a stackable percentage comes off before the group is made", "3 M mugs 1000", "",
			"sale 300 on M; three 900 on M; 1800"},
		{"half a cent is the customer's, piece by piece", "3 M mugs 5", "", "sale 3 on M; three 4 on M; 8"},
		{"a limit counts pieces, the best ones", "2 A biscuits 300,2 B biscuits 500", "", "half 650 on A B; 950"},
		{"a bundle is taken when it is better than what its pieces get alone", "1 A tea 900,2 B biscuits 400", "",
			"set 700 on A B; 1000"},
		{"and is not when it is not", "1 A tea 100,2 B biscuits 400", "", "half 400 on B; 500"},
		{"a coupon is for who has it", "1 A tea 900", "", "900"},
		{"an unknown coupon does nothing", "1 A tea 900", "NO,TEA", "code 300 on A; 600"},
		{"an amount takes no more than there is", "1 A tea 200", "TEA", "code 200 on A; 0"},
		{"of an exclusive group the better one is used", "1 PEN pens 5000", "", "fifty 500 on PEN; 4500"},
		{"what has to be spent is counted at list prices", "1 M mugs 5000", "",
			"sale 500 on M; fifty 450 on M; 4050"},
		{"what is not stackable takes the place of the rest", "3 A tea 1000", "ALL", "three 1000 on A; 2000"},
		{"when that is better", "2 A tea 1000,1 P pens 1000", "ALL", "all 900 on A P; 2100"},
	} {
		quote, _ := shop.Quote(basket(t, each.lines, strings.Split(each.coupons, ",")...), Unhurried)
		if got := said(quote); got != each.want || !quote.Optimal {
			t.Errorf("%s: %s\ngot  %s\nwant %s", each.promise, each.lines, got, each.want)
		}
	}
}

func TestABundleIsFoundBehindDearerPiecesThatItDoesNotNeed(t *testing.T) {
	shop := engine(t, `
promotions:
  - {id: four, label: f, n_for_m: {take: 4, pay: 3}, of: {products: [A, B]}}
  - {id: third, label: t, percent_off: 30, of: {everything: true}}
  - {id: pair, label: p, bundle: {price: {amount: 1, currency: EUR}, items: [
      {count: 1, of: {products: [B]}}, {count: 1, of: {products: [C]}}]}}
`)
	quote, _ := shop.Quote(basket(t, "3 A x 12,1 B x 5,1 C x 5"), Unhurried)
	if got, want := said(quote), "third 12 on A; pair 9 on B C; 25"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAGroupIsFoundThatIsHardlyBetterThanItsPiecesAlone(t *testing.T) {
	shop := engine(t, `
promotions:
  - {id: three, label: t, n_for_m: {take: 3, pay: 2}, of: {everything: true}}
  - {id: third, label: t, percent_off: 33, of: {everything: true}}
`)
	quote, _ := shop.Quote(basket(t, "1 A x 302,1 B x 301,1 C x 300"), Unhurried)
	if got, want := said(quote), "three 300 on A B C; 603"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAnotherCurrencyHasNoAmounts(t *testing.T) {
	dollars := basket(t, "3 A tea 1000,4 P pens 2000")
	dollars.Currency = "USD"
	quote, _ := engine(t, teaShop).Quote(dollars, Unhurried)
	if got, want := said(quote), "three 1000 on A; 10000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAShopWindowShowsWhatOnePieceCosts(t *testing.T) {
	shop := engine(t, teaShop)
	for _, each := range []struct {
		category, promotion string
		price, want         int64
	}{
		{"mugs", "sale", 1000, 900}, {"biscuits", "half", 301, 150}, {"tea", "", 9000, 9000}, {"biscuits", "", 0, 0},
	} {
		line := Line{SKU: "A", Category: each.category, Quantity: 77, Price: each.price}
		price, used := shop.Price("EUR", line)
		name := ""
		if used != nil {
			name = used.ID
		}
		if price != each.want || name != each.promotion {
			t.Errorf("%s of %d: got %d by %q, want %d by %q", each.category, each.price, price, name, each.want, each.promotion)
		}
	}
}

// entangled are promotions that all compete for the same pieces: nothing can be searched by itself.
func entangled() string {
	var text strings.Builder
	text.WriteString("promotions:\n")
	for index := range 12 {
		a, b := 'a'+rune(index%5), 'a'+rune((index*2+1)%5)
		fmt.Fprintf(&text, "  - {id: group-%d, label: g, n_for_m: {take: %d, pay: %d}, of: {categories: [%c, %c]}, limit: %d}\n",
			index, index%6+3, index%6+2-index%2, a, b, index%4*7)
		fmt.Fprintf(&text, "  - {id: bundle-%d, label: b, bundle: {price: {amount: %d, currency: EUR}, items: "+
			"[{count: %d, of: {categories: [%c]}}, {count: 2, of: {categories: [%c, c]}}]}}\n", index, 900+100*index, index%3+1, a, b)
		fmt.Fprintf(&text, "  - {id: few-%d, label: f, percent_off: %d, of: {categories: [%c]}, limit: %d}\n", index, 5+index*3, b, 3+index*9)
	}
	return text.String()
}

// crowded is as large a basket as there may be, every line at another price.
func crowded(lines, quantity int) Basket {
	source := rand.New(rand.NewPCG(1, uint64(lines)))
	made := Basket{Currency: "EUR"}
	for index := range lines {
		made.Lines = append(made.Lines, Line{
			SKU:      fmt.Sprintf("SKU-%d", index),
			Category: string('a' + rune(index%5)),
			Quantity: 1 + source.IntN(quantity),
			Price:    200 + source.Int64N(1000),
		})
	}
	return made
}

// until gives a search its time, and does not stop for anything else.
func until(deadline time.Time) Pace {
	return func(work func(func() bool)) bool {
		work(func() bool { return time.Now().Before(deadline) })
		return true
	}
}

func TestTheLargestBasketIsPricedInTimeAndSaysThatItMayNotBeTheBest(t *testing.T) {
	shop := engine(t, entangled())
	for _, each := range []Basket{crowded(MaxLines, MaxQuantity), crowded(MaxLines, 3), crowded(5, MaxQuantity)} {
		begun := time.Now()
		quote, ok := shop.Quote(each, until(begun.Add(50*time.Millisecond)))
		took := time.Since(begun)
		checkSound(t, each, quote)
		if !ok || took > 500*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		if len(quote.Discounts) == 0 {
			t.Error("no promotion was found at all")
		}
		t.Logf("%d lines: %d instead of %d, optimal %v, in %s", len(each.Lines), quote.Total, quote.ListTotal, quote.Optimal, took)
	}
}

func TestMoreTimeNeverMakesABasketDearerAndTheSameBasketCostsTheSame(t *testing.T) {
	shop, each := engine(t, entangled()), crowded(8, 3)
	looks := func(most int) Pace { // time as a number of looks at the clock
		return func(work func(func() bool)) bool {
			work(func() bool { most--; return most > 0 })
			return true
		}
	}
	last := listTotal(each)
	for _, most := range []int{0, 1, 10, 100, 1000} {
		quote, _ := shop.Quote(each, looks(most))
		again, _ := shop.Quote(each, looks(most))
		if quote.Total > last || !reflect.DeepEqual(quote, again) {
			t.Errorf("with %d looks: %d after %d, and then %d", most, quote.Total, last, again.Total)
		}
		last = quote.Total
	}
}

func TestTheOrderOfLinesDoesNotChangeTheTotal(t *testing.T) {
	shop, each := engine(t, teaShop), basket(t, "4 A tea 900,5 M mugs 1200,5 B biscuits 400,2 C tea 650,3 D mugs 800")
	first, _ := shop.Quote(each, Unhurried)
	for range 20 {
		rand.Shuffle(len(each.Lines), func(i, j int) { each.Lines[i], each.Lines[j] = each.Lines[j], each.Lines[i] })
		if quote, _ := shop.Quote(each, Unhurried); quote.Total != first.Total {
			t.Errorf("%v costs %d, in another order %d", each.Lines, quote.Total, first.Total)
		}
	}
}

func TestTheGreatestAmountsDoNotOverflow(t *testing.T) {
	for _, document := range []string{entangled(), teaShop} {
		each := crowded(MaxLines, 1)
		for index := range each.Lines {
			each.Lines[index].Quantity, each.Lines[index].Price = MaxQuantity, promotion.MaxAmount-int64(index%3)
		}
		quote, _ := engine(t, document).Quote(each, until(time.Now().Add(20*time.Millisecond)))
		checkSound(t, each, quote)
		if quote.ListTotal < 99_999*promotion.MaxAmount || slices.ContainsFunc(quote.Discounts, func(d Discount) bool {
			return d.Amount > quote.ListTotal
		}) {
			t.Errorf("%+v", quote)
		}
	}
}

func TestWhoHasNoTimeAtAllGetsNoQuote(t *testing.T) {
	if _, ok := engine(t, teaShop).Quote(basket(t, "1 A tea 900"), func(func(func() bool)) bool { return false }); ok {
		t.Error("quoted")
	}
}
