package promotion

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

const (
	file = "promotions.yaml"
	// MaxAmount bounds every amount of money, so that no sum of the most that a basket holds leaves 63 bits.
	MaxAmount = 1_000_000_000_000

	maxPromotions = 100
	maxTake       = 20
	maxItems      = 5
	maxCount      = 10
	maxLimit      = 1000
	maxLabel      = 100
	// Each choice among exclusive promotions is searched by itself.
	maxChoices = 16
)

var (
	//go:embed promotions.yaml
	embedded []byte

	idPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	// SKUPattern and CategoryPattern are those of the catalogue.
	SKUPattern      = regexp.MustCompile(`^[A-Z0-9][A-Z0-9-]{0,63}$`)
	CategoryPattern = idPattern
	couponPattern   = regexp.MustCompile(`^[A-Z0-9][A-Z0-9-]{0,63}$`)
	// CurrencyPattern is that of ISO 4217.
	CurrencyPattern = regexp.MustCompile(`^[A-Z]{3}$`)
)

// Load gives the promotions in force, in the order of the file.
func Load() ([]Promotion, error) { return Parse(embedded) }

// Parse reads promotions and checks each. The error has a line for each wrong field: file, field, value, what is right.
func Parse(document []byte) ([]Promotion, error) {
	var book struct {
		Promotions []Promotion `yaml:"promotions"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(document))
	decoder.KnownFields(true)
	if err := decoder.Decode(&book); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	check := new(checker)
	check.that(len(book.Promotions) <= maxPromotions, "promotions", len(book.Promotions),
		"has to be at most %d", maxPromotions)
	seen := map[string]bool{}
	for index := range book.Promotions {
		promotion := &book.Promotions[index]
		field := fmt.Sprintf("promotions[%d]", index)
		check.that(!seen[promotion.ID], field+".id", promotion.ID, "is used twice; has to be another")
		seen[promotion.ID] = true
		check.promotion(field, promotion)
	}
	choices := 1
	for _, group := range Groups(book.Promotions) {
		choices *= len(group)
	}
	check.that(choices <= maxChoices, "promotions", choices,
		"are the ways to choose among exclusive promotions; have to be at most %d", maxChoices)
	return book.Promotions, errors.Join(check.wrong...)
}

// Groups are the indexes of exclusive promotions, by group, in the order of the file.
func Groups(promotions []Promotion) [][]int {
	var names []string
	members := map[string][]int{}
	for index, promotion := range promotions {
		if promotion.Exclusive == "" {
			continue
		}
		if members[promotion.Exclusive] == nil {
			names = append(names, promotion.Exclusive)
		}
		members[promotion.Exclusive] = append(members[promotion.Exclusive], index)
	}
	var groups [][]int
	for _, name := range names {
		groups = append(groups, members[name])
	}
	return groups
}

type checker struct{ wrong []error }

func (c *checker) that(right bool, field string, value any, format string, values ...any) {
	if !right {
		c.wrong = append(c.wrong, fmt.Errorf("%s: %s: %v: %s", file, field, value, fmt.Sprintf(format, values...)))
	}
}

func (c *checker) matches(pattern *regexp.Regexp, field, value string) {
	c.that(pattern.MatchString(value), field, value, "has to match %s", pattern)
}

func (c *checker) between(least, most, value int, field string) {
	c.that(least <= value && value <= most, field, value, "has to be from %d to %d", least, most)
}

func (c *checker) promotion(field string, p *Promotion) {
	c.matches(idPattern, field+".id", p.ID)
	c.that(0 < len(p.Label) && len(p.Label) <= maxLabel, field+".label", p.Label, "has to have 1 to %d bytes", maxLabel)
	// Others print it: no control character, and none that turns text around or breaks a line.
	hidden := strings.ContainsFunc(p.Label, func(r rune) bool { return !unicode.IsGraphic(r) })
	c.that(!hidden, field+".label", fmt.Sprintf("%+q", p.Label), "has to be one line of what can be seen")
	if p.Coupon != "" {
		c.matches(couponPattern, field+".coupon", p.Coupon)
	}
	if p.Exclusive != "" {
		c.matches(idPattern, field+".exclusive", p.Exclusive)
	}
	c.between(0, maxLimit, p.Limit, field+".limit")
	c.kind(field, p)
	ofPieces := p.PercentOff != 0 || p.AmountOff != nil
	if p.Stackable {
		c.that(ofPieces || p.Spend != nil, field+".stackable", true, "is for percent_off, amount_off and spend")
		c.that(p.Limit == 0, field+".limit", p.Limit, "cannot be together with stackable")
	}
	if p.Spend != nil {
		c.that(p.Limit == 0, field+".limit", p.Limit, "cannot be together with spend, which is used once")
	}
	if ofPieces || p.NForM != nil {
		c.selector(field+".of", p.Of)
	} else {
		c.that(p.Of == nil, field+".of", "set", "is for percent_off, amount_off and n_for_m")
	}
}

func (c *checker) kind(field string, p *Promotion) {
	var kinds []string
	if p.PercentOff != 0 {
		kinds = append(kinds, "percent_off")
		c.percent(field, p.PercentOff)
	}
	if p.AmountOff != nil {
		kinds = append(kinds, "amount_off")
		c.money(field+".amount_off", *p.AmountOff)
	}
	if p.NForM != nil {
		kinds = append(kinds, "n_for_m")
		c.between(2, maxTake, p.NForM.Take, field+".n_for_m.take")
		c.that(1 <= p.NForM.Pay && p.NForM.Pay < p.NForM.Take, field+".n_for_m.pay", p.NForM.Pay,
			"has to be at least 1 and less than take")
	}
	if p.Bundle != nil {
		kinds = append(kinds, "bundle")
		c.bundle(field+".bundle", p.Bundle)
	}
	if p.Spend != nil {
		kinds = append(kinds, "spend")
		c.spend(field+".spend", p.Spend)
	}
	c.that(len(kinds) == 1, field, kinds, "has to be one of percent_off, amount_off, n_for_m, bundle, spend")
}

func (c *checker) percent(field string, value int64) {
	c.between(1, 100, int(value), field+".percent_off")
}

func (c *checker) money(field string, money Money) {
	c.that(1 <= money.Amount && money.Amount <= MaxAmount, field+".amount", money.Amount,
		"has to be from 1 to %d minor units", MaxAmount)
	c.matches(CurrencyPattern, field+".currency", money.Currency)
}

func (c *checker) selector(field string, selector *Selector) {
	if selector == nil {
		c.that(false, field, "missing", "has to have products, categories or everything")
		return
	}
	named := len(selector.Products) + len(selector.Categories)
	c.that(selector.Everything == (named == 0), field, *selector,
		"has to name products or categories, or say everything: true")
	for index, sku := range selector.Products {
		c.matches(SKUPattern, fmt.Sprintf("%s.products[%d]", field, index), sku)
	}
	for index, category := range selector.Categories {
		c.matches(CategoryPattern, fmt.Sprintf("%s.categories[%d]", field, index), category)
	}
}

func (c *checker) bundle(field string, bundle *Bundle) {
	c.money(field+".price", bundle.Price)
	c.between(1, maxItems, len(bundle.Items), field+".items")
	pieces := 0
	for index := range bundle.Items {
		item := &bundle.Items[index]
		c.between(1, maxCount, item.Count, fmt.Sprintf("%s.items[%d].count", field, index))
		c.selector(fmt.Sprintf("%s.items[%d].of", field, index), &item.Of)
		pieces += item.Count
	}
	c.that(pieces >= 2, field+".items", pieces, "pieces in all; have to be at least 2")
}

func (c *checker) spend(field string, spend *Spend) {
	c.money(field+".at_least", spend.AtLeast)
	c.that((spend.PercentOff != 0) != (spend.AmountOff != nil), field, *spend, "has to have percent_off or amount_off")
	if spend.PercentOff != 0 {
		c.percent(field, spend.PercentOff)
	}
	if spend.AmountOff != nil {
		c.money(field+".amount_off", *spend.AmountOff)
		c.that(spend.AmountOff.Currency == spend.AtLeast.Currency, field+".amount_off.currency", spend.AmountOff.Currency,
			"has to be that of at_least, %s", spend.AtLeast.Currency)
	}
}

// HasCoupon says whether a caller with these coupons may use the promotion.
func (p *Promotion) HasCoupon(coupons []string) bool {
	return p.Coupon == "" || slices.Contains(coupons, p.Coupon)
}
