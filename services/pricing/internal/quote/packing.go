package quote

import "slices"

// packing is a part of stage 2. Pieces are dealt out kind by kind, the dearest first; what has to be remembered while
// that is done is a number for each rule:
//
//	limited    how many pieces it has used
//	group      how many pieces it has used; without a limit, how many of them are not in a whole group yet
//	slot       how many pieces the bundles that were decided on still need
//
// It always has an answer: gain is the best so far, reached by the steps of path.
type packing struct {
	plan    *plan
	kinds   []kind
	rules   []int     // indexes of plan.rules; the states of a search are in this order
	bundles []int     // indexes of plan.bundles
	alone   [][]int64 // of each kind: the most that 0, 1, 2 ... pieces get of what needs no remembering
	steps   []step
	bounds  bounds

	gain    int64
	path    []int32 // what was chosen at each step
	optimal bool
}

type action int

const (
	decide action = iota // how many of a bundle there are to be
	deal                 // how many pieces of the kind a rule gets
	finish               // what is left of the kind gets what needs no remembering
)

// step is one decision: the action, on a bundle (of plan.bundles) or a rule (of packing.rules), at a kind.
type step struct {
	action action
	on     int
	kind   int
}

func newPacking(p *plan, kinds []kind) *packing {
	k := &packing{plan: p, kinds: kinds}
	for index := range p.rules {
		if slices.ContainsFunc(kinds, func(each kind) bool { return each.rules[index] }) {
			k.rules = append(k.rules, index)
		}
	}
	for index := range kinds {
		k.alone = append(k.alone, k.withoutMemory(&kinds[index]))
		k.gain += k.alone[index][kinds[index].count]
	}
	k.addSteps()
	k.path = make([]int32, len(k.steps))
	k.bounds = newBounds(k)
	k.optimal = len(k.rules) == 0
	return k
}

// withoutMemory works out `alone` of a kind: single promotions, and groups without a limit made of this kind alone.
func (k *packing) withoutMemory(each *kind) []int64 {
	best := make([]int64, each.count+1)
	for n := 1; n <= each.count; n++ {
		best[n] = best[n-1] + each.single
		for _, index := range k.rules {
			if r := &k.plan.rules[index]; each.grouped(index, r) && n >= r.take {
				best[n] = max(best[n], best[n-r.take]+each.price*int64(r.free))
			}
		}
	}
	return best
}

// grouped says whether pieces of a kind make groups of a rule, as many as there are.
func (each *kind) grouped(index int, r *rule) bool {
	return each.rules[index] && r.form == group && r.limit == 0
}

func (k *packing) addSteps() {
	decided := map[int]bool{}
	for index := range k.kinds {
		each := &k.kinds[index]
		for _, name := range k.rules {
			if r := &k.plan.rules[name]; r.form == slot && each.rules[name] && !decided[r.bundle] {
				decided[r.bundle] = true
				k.bundles = append(k.bundles, r.bundle)
				k.steps = append(k.steps, step{decide, r.bundle, index})
			}
		}
		for on, name := range k.rules {
			r := &k.plan.rules[name]
			useless := r.form == limited && k.plan.off(r, each.price) <= each.single
			if each.rules[name] && !useless {
				k.steps = append(k.steps, step{deal, on, index})
			}
		}
		k.steps = append(k.steps, step{finish, 0, index})
	}
}

// most is the greatest number that a step may choose. More than a group of a kind is left to `finish`.
func (k *packing) most(s step, state []int32, left int) int {
	switch s.action {
	case decide:
		return k.plan.bundles[s.on].most
	case deal:
		r := &k.plan.rules[k.rules[s.on]]
		switch {
		case r.form == slot:
			return min(left, int(state[s.on]))
		case r.limit > 0:
			return min(left, r.limit-int(state[s.on]))
		default:
			return min(left, r.take-1)
		}
	default:
		return 0
	}
}

// take makes a step: it changes the state, and gives the gain and the pieces that are left to deal out.
func (k *packing) take(s step, state []int32, left, chosen int) (gain int64, stillLeft int) {
	switch s.action {
	case decide:
		each := &k.plan.bundles[s.on]
		for _, index := range each.slots {
			state[slices.Index(k.rules, index)] = int32(chosen * k.plan.rules[index].count)
		}
		return -each.price * int64(chosen), left
	case deal:
		return k.dealt(s, state, chosen), left - chosen
	default:
		if s.kind+1 < len(k.kinds) {
			stillLeft = k.kinds[s.kind+1].count
		}
		return k.alone[s.kind][left], stillLeft
	}
}

func (k *packing) dealt(s step, state []int32, chosen int) int64 {
	r, price := &k.plan.rules[k.rules[s.on]], k.kinds[s.kind].price
	used := int(state[s.on])
	switch r.form {
	case slot:
		state[s.on] = int32(used - chosen)
		return price * int64(chosen)
	case limited:
		state[s.on] = int32(used + chosen)
		return k.plan.off(r, price) * int64(chosen)
	default:
		gain := price * int64(r.freeAmong(used+chosen)-r.freeAmong(used))
		if state[s.on] = int32(used + chosen); r.limit == 0 {
			state[s.on] %= int32(r.take)
		}
		return gain
	}
}

// freeAmong is how many of the first n pieces of a row of groups are free.
func (r *rule) freeAmong(n int) int { return n/r.take*r.free + max(0, n%r.take-(r.take-r.free)) }

// done says whether the state at the end is one: groups are whole, and bundles have all that they need.
func (k *packing) done(state []int32) bool {
	for on, index := range k.rules {
		r := &k.plan.rules[index]
		if r.form == group && int(state[on])%r.take != 0 || r.form == slot && state[on] != 0 {
			return false
		}
	}
	return true
}

// tell notes in a ledger what the best answer takes off.
func (k *packing) tell(l *ledger) {
	state := make([]int32, len(k.rules))
	left := k.kinds[0].count
	var pieces dealer
	for index, s := range k.steps {
		each := &k.kinds[s.kind]
		if pieces.kind != each {
			pieces = dealer{kind: each, basket: k.plan.basket}
		}
		chosen := int(k.path[index])
		if s.action == finish {
			k.tellRest(l, &pieces, k.alone[s.kind][:left+1])
		}
		gain, stillLeft := k.take(s, state, left, chosen)
		left = stillLeft
		switch s.action {
		case decide:
			l.amounts[k.plan.bundles[s.on].promotion] += gain
		case deal:
			name := k.plan.rules[k.rules[s.on]].promotion
			l.amounts[name] += gain
			pieces.deal(chosen, func(line int) { l.touch(name, line) })
		}
	}
}

// tellRest notes what `finish` gives to the last pieces of a kind: best[n] is the most that n of them get.
func (k *packing) tellRest(l *ledger, pieces *dealer, best []int64) {
	each := pieces.kind
	for n := len(best) - 1; n > 0; {
		if best[n] == best[n-1]+each.single {
			n--
			pieces.deal(1, func(line int) {
				if each.singleOf >= 0 {
					l.add(each.singleOf, each.single, line)
				}
			})
			continue
		}
		for _, index := range k.rules {
			r := &k.plan.rules[index]
			gain := each.price * int64(r.free)
			if each.grouped(index, r) && n >= r.take && best[n] == best[n-r.take]+gain {
				n -= r.take
				l.amounts[r.promotion] += gain
				pieces.deal(r.take, func(line int) { l.touch(r.promotion, line) })
				break
			}
		}
	}
}

// dealer hands out the pieces of a kind, line by line.
type dealer struct {
	kind   *kind
	basket Basket
	line   int // of kind.lines
	used   int // of this line
}

func (d *dealer) deal(n int, to func(line int)) {
	for n > 0 {
		line := d.kind.lines[d.line]
		pieces := min(n, d.basket.Lines[line].Quantity-d.used)
		to(line)
		n -= pieces
		if d.used += pieces; d.used == d.basket.Lines[line].Quantity {
			d.line, d.used = d.line+1, 0
		}
	}
}
