package promotion

import (
	"strings"
	"testing"
)

func TestThePromotionsInForceAreRight(t *testing.T) {
	promotions, err := Load()
	if err != nil || len(promotions) == 0 {
		t.Fatalf("%d promotions, %v", len(promotions), err)
	}
}

func TestAWrongPromotionIsRefusedWithFileFieldValueAndWhatIsRight(t *testing.T) {
	for wrong, want := range map[string]string{
		"{id: Tea, label: t, percent_off: 10, of: {everything: true}}":                                                 "promotions[0].id: Tea: has to match ^[a-z]",
		"{id: t, label: '', percent_off: 10, of: {everything: true}}":                                                  "promotions[0].label: : has to have 1 to 100 bytes",
		`{id: t, label: "a\u202eb", percent_off: 10, of: {everything: true}}`:                                          `promotions[0].label: "a\u202eb": has to be one line`,
		`{id: t, label: "a\nb", percent_off: 10, of: {everything: true}}`:                                              `promotions[0].label: "a\nb": has to be one line`,
		"{id: t, label: t, percent_off: 101, of: {everything: true}}":                                                  "promotions[0].percent_off: 101: has to be from 1 to 100",
		"{id: t, label: t, percent_off: -1, of: {everything: true}}":                                                   "promotions[0].percent_off: -1: has to be from 1 to 100",
		"{id: t, label: t, percent_off: 10}":                                                                           "promotions[0].of: missing: has to have products",
		"{id: t, label: t, percent_off: 10, of: {}}":                                                                   "promotions[0].of: {[] [] false}: has to name products",
		"{id: t, label: t, percent_off: 10, of: {everything: true, products: [A]}}":                                    "promotions[0].of: ",
		"{id: t, label: t, percent_off: 10, of: {products: [tea]}}":                                                    "promotions[0].of.products[0]: tea: has to match ^[A-Z0-9]",
		"{id: t, label: t, percent_off: 10, of: {categories: [Tea]}}":                                                  "promotions[0].of.categories[0]: Tea: has to match",
		"{id: t, label: t, of: {everything: true}}":                                                                    "promotions[0]: []: has to be one of percent_off",
		"{id: t, label: t, percent_off: 1, n_for_m: {take: 3, pay: 2}, of: {everything: true}}":                        "promotions[0]: [percent_off n_for_m]: has to be one of",
		"{id: t, label: t, n_for_m: {take: 3, pay: 3}, of: {everything: true}}":                                        "promotions[0].n_for_m.pay: 3: has to be at least 1 and less than take",
		"{id: t, label: t, n_for_m: {take: 21, pay: 3}, of: {everything: true}}":                                       "promotions[0].n_for_m.take: 21: has to be from 2 to 20",
		"{id: t, label: t, percent_off: 1, of: {everything: true}, limit: 1001}":                                       "promotions[0].limit: 1001: has to be from 0 to 1000",
		"{id: t, label: t, percent_off: 1, of: {everything: true}, coupon: tea}":                                       "promotions[0].coupon: tea: has to match",
		"{id: t, label: t, percent_off: 1, of: {everything: true}, exclusive: T}":                                      "promotions[0].exclusive: T: has to match",
		"{id: t, label: t, percent_off: 1, of: {everything: true}, stackable: true, limit: 1}":                         "promotions[0].limit: 1: cannot be together with stackable",
		"{id: t, label: t, n_for_m: {take: 3, pay: 2}, of: {everything: true}, stackable: true}":                       "promotions[0].stackable: true: is for percent_off",
		"{id: t, label: t, amount_off: {amount: 0, currency: EUR}, of: {everything: true}}":                            "promotions[0].amount_off.amount: 0: has to be from 1 to 1000000000000",
		"{id: t, label: t, amount_off: {amount: 1, currency: euro}, of: {everything: true}}":                           "promotions[0].amount_off.currency: euro: has to match",
		"{id: t, label: t, bundle: {price: {amount: 1, currency: EUR}, items: []}}":                                    "promotions[0].bundle.items: 0: has to be from 1 to 5",
		"{id: t, label: t, bundle: {price: {amount: 1, currency: EUR}, items: [{count: 1, of: {everything: true}}]}}":  "promotions[0].bundle.items: 1: pieces in all",
		"{id: t, label: t, bundle: {price: {amount: 1, currency: EUR}, items: [{count: 11, of: {everything: true}}]}}": "promotions[0].bundle.items[0].count: 11: has to be from 1 to 10",
		"{id: t, label: t, bundle: {price: {amount: 1, currency: EUR}, items: [{count: 2, of: {}}]}}":                  "promotions[0].bundle.items[0].of: ",
		"{id: t, label: t, spend: {at_least: {amount: 1, currency: EUR}}}":                                             "promotions[0].spend: ",
		"{id: t, label: t, spend: {at_least: {amount: 1, currency: EUR}, amount_off: {amount: 1, currency: USD}}}":     "promotions[0].spend.amount_off.currency: USD: has to be that of at_least, EUR",
		"{id: t, label: t, spend: {at_least: {amount: 1, currency: EUR}, percent_off: 5}, limit: 2}":                   "promotions[0].limit: 2: cannot be together with spend",
		"{id: t, label: t, spend: {at_least: {amount: 1, currency: EUR}, percent_off: 5}, of: {everything: true}}":     "promotions[0].of: set: is for",
		"{id: t, label: t, percentoff: 5}":                                                                             "line 2: field percentoff not found",
	} {
		_, err := Parse([]byte("promotions:\n  - " + wrong + "\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "promotions.yaml: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", wrong, err, want)
		}
	}
}

func TestEveryWrongFieldHasALine(t *testing.T) {
	_, err := Parse([]byte(`
promotions:
  - {id: a, label: a, percent_off: 1, of: {everything: true}, limit: -1}
  - {id: a, label: a, percent_off: 500, of: {everything: true}}
`))
	if got := strings.Count(err.Error(), "\n") + 1; got != 3 {
		t.Errorf("%d lines: %v", got, err)
	}
}

func TestChoicesAmongExclusivePromotionsAreBounded(t *testing.T) {
	text := "promotions:\n"
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		for _, member := range []string{"1", "2"} {
			text += "  - {id: " + id + member + ", label: l, percent_off: 1, of: {everything: true}, exclusive: " + id + "}\n"
		}
	}
	if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "promotions: 32: are the ways to choose") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(embedded)
	f.Add([]byte("promotions: [{id: a, label: a, percent_off: 10, of: {everything: true}}]"))
	f.Add([]byte("promotions: &a [*a]"))
	f.Fuzz(func(t *testing.T, document []byte) {
		if promotions, err := Parse(document); err == nil && len(promotions) > maxPromotions {
			t.Errorf("%d promotions are too many", len(promotions))
		}
	})
}
