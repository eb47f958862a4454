package quote

import (
	"testing"
	"time"

	"shop/pricing/internal/promotion"
)

// everyday is a basket of what the promotions in force are about.
func everyday(lines, quantity int) Basket {
	made := crowded(lines, quantity)
	for index := range made.Lines {
		made.Lines[index].Category = []string{"tea", "coffee", "mugs", "biscuits"}[index%4]
	}
	return made
}

func BenchmarkQuote(b *testing.B) {
	inForce, err := promotion.Load()
	if err != nil {
		b.Fatal(err)
	}
	for _, each := range []struct {
		name   string
		engine *Engine
		basket Basket
	}{
		{"in force/3 lines of up to 3", NewEngine(inForce), everyday(3, 3)},
		{"in force/10 lines of up to 5", NewEngine(inForce), everyday(10, 5)},
		{"in force/30 lines of up to 10", NewEngine(inForce), everyday(30, 10)},
		{"in force/100 lines of up to 1000", NewEngine(inForce), everyday(MaxLines, MaxQuantity)},
		{"entangled/10 lines of up to 3", engine(b, entangled()), crowded(10, 3)},
		{"entangled/100 lines of up to 1000", engine(b, entangled()), crowded(MaxLines, MaxQuantity)},
	} {
		b.Run(each.name, func(b *testing.B) {
			optimal := 0
			b.ReportAllocs()
			for b.Loop() {
				quote, _ := each.engine.Quote(each.basket, until(time.Now().Add(50*time.Millisecond)))
				if quote.Optimal {
					optimal++
				}
			}
			b.ReportMetric(float64(optimal)/float64(b.N), "optimal")
		})
	}
}

func BenchmarkPrice(b *testing.B) {
	inForce, err := promotion.Load()
	if err != nil {
		b.Fatal(err)
	}
	shop := NewEngine(inForce)
	for b.Loop() {
		shop.Price("EUR", Line{SKU: "TEA-GREEN-100", Category: "tea", Price: 500})
	}
}
