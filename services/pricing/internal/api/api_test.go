package api

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"shop/pricing/internal/pricingv1"
	"shop/pricing/internal/promotion"
	"shop/pricing/internal/quote"
)

func pricing(t testing.TB) *Pricing {
	t.Helper()
	promotions, err := promotion.Load()
	if err != nil {
		t.Fatal(err)
	}
	return New(quote.NewEngine(promotions))
}

func line(sku, category string, quantity uint32, amount int64) *pricingv1.Line {
	return &pricingv1.Line{
		Sku: sku, Category: category, Quantity: quantity, ListPrice: &pricingv1.Money{Amount: amount, Currency: "EUR"},
	}
}

func (p *Pricing) ask(request *pricingv1.QuoteRequest) (*pricingv1.QuoteResponse, error) {
	answer, err := p.Quote(context.Background(), connect.NewRequest(request))
	if err != nil {
		return nil, err
	}
	return answer.Msg, nil
}

func TestABasketIsPricedByThePromotionsInForce(t *testing.T) {
	answer, err := pricing(t).ask(&pricingv1.QuoteRequest{Lines: []*pricingv1.Line{
		line("TEA-GREEN-100", "tea", 3, 500), line("MUG", "mugs", 1, 1000), line("PEN", "", 1, 250),
	}})
	if err != nil {
		t.Fatal(err)
	}
	euros := func(amount int64) *pricingv1.Money { return &pricingv1.Money{Amount: amount, Currency: "EUR"} }
	want := &pricingv1.QuoteResponse{
		ListTotal: euros(2750),
		Discounts: []*pricingv1.Discount{
			{Promotion: "mugs-sale", Label: "10 % off mugs", Amount: euros(100), Skus: []string{"MUG"}},
			{Promotion: "tea-3-for-2", Label: "3 for 2 on tea", Amount: euros(500), Skus: []string{"TEA-GREEN-100"}},
		},
		Total:   euros(2150),
		Optimal: true,
	}
	if !proto.Equal(answer, want) {
		t.Errorf("got %v\nwant %v", answer, want)
	}
}

func TestPricesAreInTheOrderOfTheLinesAndQuantityIsNotLookedAt(t *testing.T) {
	answer, err := pricing(t).Prices(context.Background(), connect.NewRequest(&pricingv1.PricesRequest{Lines: []*pricingv1.Line{
		line("PEN", "", 0, 250), line("TEA-GREEN-100", "tea", 5000, 500), line("MUG", "mugs", 1, 1000),
	}}))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, each := range answer.Msg.GetPrices() {
		got = append(got, fmt.Sprintf("%s %d %d %s", each.GetSku(), each.GetListPrice().GetAmount(), each.GetPrice().GetAmount(), each.GetPromotion()))
	}
	if want := "PEN 250 250 ,TEA-GREEN-100 500 400 green-tea-week,MUG 1000 900 mugs-sale"; strings.Join(got, ",") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	empty, err := pricing(t).Prices(context.Background(), connect.NewRequest(&pricingv1.PricesRequest{}))
	if err != nil || len(empty.Msg.GetPrices()) != 0 {
		t.Errorf("for nothing: %v, %v", empty, err)
	}
}

func TestWhatIsNoBasketIsRefusedWithTheFieldAndWithoutItsValue(t *testing.T) {
	dollars := line("B", "tea", 1, 500)
	dollars.ListPrice.Currency = "USD"
	euro := line("A", "tea", 1, 500)
	euro.ListPrice.Currency = "secret"
	unknown := line("A", "tea", 1, 500)
	unknown.ProtoReflect().SetUnknown([]byte{0x98, 0x06, 0x01})
	unknownMoney := line("A", "tea", 1, 500)
	unknownMoney.ListPrice.ProtoReflect().SetUnknown([]byte{0x98, 0x06, 0x01})
	unknownRequest := &pricingv1.QuoteRequest{Lines: []*pricingv1.Line{line("A", "tea", 1, 5)}}
	unknownRequest.ProtoReflect().SetUnknown([]byte{0x98, 0x06, 0x01})
	good := line("A", "tea", 1, 500)
	many := make([]*pricingv1.Line, quote.MaxLines+1)
	for index := range many {
		many[index] = line(fmt.Sprint("A", index), "tea", 1, 500)
	}
	for want, request := range map[string]*pricingv1.QuoteRequest{
		"lines: has to have 1 to 100":                     {},
		"lines: has to have at most 100":                  {Lines: many},
		"lines[0].sku: has to match":                      {Lines: []*pricingv1.Line{line("secret", "tea", 1, 500)}},
		"lines[0].category: has to be empty or match":     {Lines: []*pricingv1.Line{line("A", "SECRET", 1, 500)}},
		"lines[0].quantity: has to be from 1 to 1000":     {Lines: []*pricingv1.Line{line("A", "tea", 0, 500)}},
		"lines[1].quantity: has to be from 1":             {Lines: []*pricingv1.Line{good, line("B", "tea", 1<<32-1, 500)}},
		"lines[0].list_price.amount: has to be from 0 to": {Lines: []*pricingv1.Line{line("A", "tea", 1, -1)}},
		"lines[1].list_price.amount: has to be from 0":    {Lines: []*pricingv1.Line{good, line("B", "tea", 1, 1e12+1)}},
		"lines[0].list_price.currency: has to match":      {Lines: []*pricingv1.Line{euro}},
		"lines[0].list_price.currency: has to match ^":    {Lines: []*pricingv1.Line{{Sku: "A", Quantity: 1}}},
		"lines[1].list_price.currency: has to be that of": {Lines: []*pricingv1.Line{good, dollars}},
		"lines[1].sku: has to be another than":            {Lines: []*pricingv1.Line{good, good}},
		"lines[0].*: has fields that are not known here":  {Lines: []*pricingv1.Line{unknown}},
		"lines[0].*: has fields that are not known here ": {Lines: []*pricingv1.Line{unknownMoney}},
		"the request has fields that are not known here":  unknownRequest,
		"coupons: has to have at most 20":                 {Lines: []*pricingv1.Line{good}, Coupons: make([]string, 21)},
		"coupons[0]: has to have at most 64 bytes":        {Lines: []*pricingv1.Line{good}, Coupons: []string{strings.Repeat("secret", 20)}},
	} {
		_, err := pricing(t).ask(request)
		if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("got %v, want %s", err, want)
		}
		if strings.Contains(strings.ToLower(err.Error()), "secret") {
			t.Errorf("a value is repeated: %v", err)
		}
	}
}

func TestASearchEndsAfterItsTimeOrAMarginBeforeItsDeadline(t *testing.T) {
	for _, each := range []struct{ deadline, want time.Duration }{
		{time.Hour, searchTime}, {30 * time.Millisecond, 30*time.Millisecond - margin},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), each.deadline)
			defer cancel()
			begun := time.Now()
			newCores(1).pace(ctx)(func(inTime func() bool) {
				for inTime() {
					time.Sleep(time.Millisecond)
				}
			})
			if took := time.Since(begun); took != each.want {
				t.Errorf("deadline %s: it took %s, want %s", each.deadline, took, each.want)
			}
		})
	}
}

func TestWhoseTurnComesLateIsSearchedForAMomentAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := newCores(1)
		places <- struct{}{} // somebody is at work
		pace := places.pace(t.Context())
		go func() {
			time.Sleep(2 * searchTime)
			<-places
		}()
		begun := time.Now()
		for turn, want := range []time.Duration{2*searchTime + leastSearchTime, 0} {
			came := pace(func(inTime func() bool) {
				for inTime() {
					time.Sleep(time.Millisecond)
				}
			})
			if took := time.Since(begun); came != (want > 0) || came && took != want {
				t.Errorf("turn %d: %v after %s", turn+1, came, took)
			}
		}
	})
}

func TestWhoseTurnDoesNotComeIsToldBeforeItsDeadline(t *testing.T) {
	for _, each := range []struct{ deadline, want time.Duration }{
		{300 * time.Millisecond, 300*time.Millisecond - margin}, {0, patience},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := pricing(t)
			p.cores = newCores(1)
			p.cores <- struct{}{} // somebody is at work
			ctx := t.Context()
			if each.deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, each.deadline)
				defer cancel()
			}
			begun := time.Now()
			_, err := p.Quote(ctx, connect.NewRequest(&pricingv1.QuoteRequest{Lines: []*pricingv1.Line{line("A", "tea", 1, 5)}}))
			if connect.CodeOf(err) != connect.CodeResourceExhausted || time.Since(begun) != each.want {
				t.Errorf("after %s: %v", time.Since(begun), err)
			}
			_, err = p.Prices(ctx, connect.NewRequest(&pricingv1.PricesRequest{}))
			if connect.CodeOf(err) != connect.CodeResourceExhausted {
				t.Errorf("prices: %v", err)
			}
		})
	}
}

func TestWhoGivesUpIsNotWorkedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := pricing(t).Quote(ctx, connect.NewRequest(&pricingv1.QuoteRequest{Lines: []*pricingv1.Line{line("A", "tea", 1, 5)}}))
	if connect.CodeOf(err) != connect.CodeCanceled {
		t.Errorf("got %v", err)
	}
}

// largest is as large as a basket may be, of what the promotions in force are about.
func largest() *pricingv1.QuoteRequest {
	request := &pricingv1.QuoteRequest{Coupons: []string{"TEALOVER", "WELCOME15"}}
	for index := range quote.MaxLines {
		category := []string{"tea", "coffee", "mugs", "biscuits"}[index%4]
		request.Lines = append(request.Lines, line(fmt.Sprint("SKU-", index), category, quote.MaxQuantity, int64(301+index*7)))
	}
	return request
}

func TestManyLargeBasketsAtOnceAreAllPriced(t *testing.T) {
	p := pricing(t)
	var asked sync.WaitGroup
	for range 40 {
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			answer, err := p.Quote(ctx, connect.NewRequest(largest()))
			if err != nil || answer.Msg.GetTotal().GetAmount() >= answer.Msg.GetListTotal().GetAmount() {
				t.Errorf("got %v, %v", answer, err)
			}
		})
	}
	asked.Wait()
}

func FuzzQuote(f *testing.F) {
	for _, request := range []*pricingv1.QuoteRequest{
		{}, largest(), {Lines: []*pricingv1.Line{line("TEA-GREEN-100", "tea", 3, 500)}, Coupons: []string{"TEALOVER"}},
	} {
		seed, err := proto.Marshal(request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	p := pricing(f)
	f.Fuzz(func(t *testing.T, message []byte) {
		request := new(pricingv1.QuoteRequest)
		if proto.Unmarshal(message, request) != nil {
			return
		}
		answer, err := p.ask(request)
		if err != nil {
			if connect.CodeOf(err) != connect.CodeInvalidArgument {
				t.Errorf("%v: %v", request, err)
			}
			return
		}
		left := answer.GetListTotal().GetAmount()
		for _, discount := range answer.GetDiscounts() {
			left -= discount.GetAmount().GetAmount()
		}
		if total := answer.GetTotal().GetAmount(); total != left || total < 0 || total > answer.GetListTotal().GetAmount() {
			t.Errorf("%v costs %v", request, answer)
		}
	})
}
