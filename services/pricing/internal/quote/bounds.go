package quote

import (
	"cmp"
	"slices"
	"sort"
)

// unreachable is the bound of a state that cannot become a whole one.
const unreachable = -1

// plenty is more than any bound that matters, and far from overflowing.
const plenty = int64(1) << 60

// finestFraction of a price is the smallest change that tighten tries.
const finestFraction = 64

// bounds say how much more a state can gain at most. Every piece that is still to be dealt out is credited with the
// most that it can get when nothing stands in the way (`share`): of a group, its part of the free pieces as if its own
// price were that of all. What limited rules, slots and begun groups can get beyond that is added.
type bounds struct {
	share []int64 // of a piece of each kind
	after []int64 // all shares of the kinds from this one on; one more than there are kinds
	rules []ruleBounds
	// decided is what the bundles that are decided on at each step can add; bundles is all of that from a step on.
	decided, bundles []int64
}

// ruleBounds are those of one rule; pieces and dearest have one more than there are kinds, and are about the kinds from
// there on.
type ruleBounds struct {
	pieces  []int   // that it selects
	dearest []int64 // price of these
	gets    []int64 // of each kind: what a piece of it gets
	spare   []int64 // of each kind: how much of that is beyond its share
	order   []int   // the kinds with something to spare, the most first
}

func newBounds(k *packing) bounds {
	share := make([]int64, len(k.kinds))
	for index := range k.kinds {
		each := &k.kinds[index]
		share[index] = each.single
		for _, name := range k.rules {
			if r := &k.plan.rules[name]; each.grouped(name, r) {
				share[index] = max(share[index], r.share(each.price))
			}
		}
	}
	return boundsOf(k, share)
}

func boundsOf(k *packing, share []int64) bounds {
	b := bounds{share: share, decided: make([]int64, len(k.steps))}
	for _, name := range k.rules {
		b.rules = append(b.rules, newRuleBounds(k, name, share))
	}
	for index, s := range k.steps {
		if s.action == decide {
			b.decided[index] = b.bundle(k, s)
		}
	}
	b.sum(k)
	return b
}

func (b *bounds) sum(k *packing) {
	b.after, b.bundles = make([]int64, len(k.kinds)+1), make([]int64, len(k.steps)+1)
	for index := len(k.kinds) - 1; index >= 0; index-- {
		b.after[index] = b.after[index+1] + b.share[index]*int64(k.kinds[index].count)
	}
	for index := len(k.steps) - 1; index >= 0; index-- {
		b.bundles[index] = min(plenty, b.bundles[index+1]+b.decided[index])
	}
}

// with gives the bounds with another share of one kind. A greater one than newBounds gives is right, too.
func (b *bounds) with(k *packing, kind int, share int64) bounds {
	changed := bounds{share: slices.Clone(b.share), rules: slices.Clone(b.rules), decided: slices.Clone(b.decided)}
	changed.share[kind] = share
	for on, name := range k.rules {
		if k.kinds[kind].rules[name] {
			rb := &changed.rules[on]
			rb.spare = slices.Clone(rb.spare)
			rb.spare[kind] = rb.gets[kind] - share
			rb.sort()
		}
	}
	for index, s := range k.steps {
		if s.action == decide && slices.ContainsFunc(k.plan.bundles[s.on].slots, func(name int) bool {
			return k.kinds[kind].rules[name]
		}) {
			changed.decided[index] = changed.bundle(k, s)
		}
	}
	changed.sum(k)
	return changed
}

// ofAll is the bound of the beginning.
func (b *bounds) ofAll(k *packing) int64 {
	return b.of(k, 0, 0, make([]int32, len(k.rules)), k.kinds[0].count)
}

// tighten looks for shares that bound more closely. Where several rules want the same pieces, each of them has been
// credited with what these have to spare; a greater share is credited once, and leaves all of them less. (It is
// coordinate descent on the dual of the linear relaxation.)
func (k *packing) tighten(inTime func() bool) {
	least := k.bounds.share
	best := k.bounds.ofAll(k)
	for fraction := int64(4); fraction <= finestFraction; fraction *= 2 {
		for index := range k.kinds {
			for _, change := range []int64{k.kinds[index].price / fraction, -k.kinds[index].price / fraction} {
				for inTime() {
					tried := k.bounds.with(k, index, max(least[index], k.bounds.share[index]+change))
					bound := tried.ofAll(k)
					if bound >= best {
						break
					}
					k.bounds, best = tried, bound
				}
			}
		}
	}
}

// share is the part of a piece in what a group gains: at most as if all pieces of the group had its price.
func (r *rule) share(price int64) int64 { return roundedUp(price*int64(r.free), int64(r.take)) }

func roundedUp(dividend, divisor int64) int64 { return (dividend + divisor - 1) / divisor }

// begun is what the rest of a begun group gains beyond the shares of its pieces: those that are still to be paid cost
// at least as much as those that are free, which cost at most `price`.
func (r *rule) begun(pieces int, price int64) int64 {
	paid := r.take - r.free
	if pieces < paid {
		return roundedUp(price*int64(r.free*pieces), int64(r.take))
	}
	return roundedUp(price*int64(paid*(r.take-pieces)), int64(r.take))
}

func newRuleBounds(k *packing, name int, share []int64) ruleBounds {
	kinds := len(k.kinds)
	r := &k.plan.rules[name]
	b := ruleBounds{
		pieces: make([]int, kinds+1), dearest: make([]int64, kinds+1),
		gets: make([]int64, kinds), spare: make([]int64, kinds),
	}
	for index := kinds - 1; index >= 0; index-- {
		each := &k.kinds[index]
		b.pieces[index], b.dearest[index] = b.pieces[index+1], b.dearest[index+1]
		if !each.rules[name] {
			continue
		}
		b.pieces[index] += each.count
		b.dearest[index] = each.price
		switch r.form {
		case limited:
			b.gets[index] = k.plan.off(r, each.price)
		case group:
			b.gets[index] = r.share(each.price)
		case slot:
			b.gets[index] = each.price
		}
		b.spare[index] = b.gets[index] - share[index]
	}
	b.sort()
	return b
}

func (b *ruleBounds) sort() {
	b.order = make([]int, 0, len(b.spare))
	for index, spare := range b.spare {
		if spare > 0 {
			b.order = append(b.order, index)
		}
	}
	slices.SortStableFunc(b.order, func(i, j int) int { return cmp.Compare(b.spare[j], b.spare[i]) })
}

// most is what n pieces get beyond their shares at most, when there are `left` of a kind and all of those after it.
func (b *ruleBounds) most(k *packing, n, kind, left int) int64 {
	var sum int64
	for _, index := range b.order {
		if n == 0 {
			break
		}
		count := k.kinds[index].count
		if index == kind {
			count = left
		}
		if index < kind || count == 0 {
			continue
		}
		count = min(count, n)
		sum += b.spare[index] * int64(count)
		n -= count
	}
	return sum
}

// bundle is the most that all bundles of a promotion can add to the shares of their pieces.
func (b *bounds) bundle(k *packing, s step) int64 {
	each := &k.plan.bundles[s.on]
	gain := func(n int) int64 {
		sum := -each.price * int64(n)
		for on, name := range k.rules {
			if r := &k.plan.rules[name]; r.form == slot && r.bundle == s.on {
				sum += b.rules[on].most(k, n*r.count, s.kind, k.kinds[s.kind].count)
			}
		}
		return sum
	}
	// Each further bundle adds no more than the one before.
	return gain(sort.Search(each.most, func(n int) bool { return gain(n+1) <= gain(n) }))
}

// of is the most that a state can still gain after `done` steps, with `left` pieces of the kind to deal out.
func (b *bounds) of(k *packing, done, kind int, state []int32, left int) int64 {
	bound := b.bundles[done]
	if kind == len(k.kinds) {
		if left != 0 || !k.done(state) {
			return unreachable
		}
		return bound
	}
	bound = min(plenty, bound+b.after[kind+1]+b.share[kind]*int64(left))
	for on, name := range k.rules {
		r, rb := &k.plan.rules[name], &b.rules[on]
		available := rb.pieces[kind+1]
		if k.kinds[kind].rules[name] {
			available += left
		}
		used := int(state[on])
		var more int64
		switch r.form {
		case limited:
			more = rb.most(k, r.limit-used, kind, left)
		case slot:
			if used > available {
				return unreachable
			}
			more = rb.most(k, used, kind, left)
		case group:
			if begun := used % r.take; begun > 0 {
				if r.take-begun > available {
					return unreachable
				}
				more = r.begun(begun, rb.dearest[kind])
			}
			if r.limit > 0 {
				more += rb.most(k, r.limit-used, kind, left)
			}
		}
		bound = min(plenty, bound+more)
	}
	return bound
}
