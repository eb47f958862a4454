package quote

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// effort is how hard one pass of a search tries.
type effort struct {
	// width is how many states are kept at a step.
	width int
	// trust is how many sixteenths of what a state could still gain count when the most promising are picked: its bound
	// is what never comes true in full.
	trust int64
	// tighten: bounds are made closer first, which takes its time.
	tighten bool
}

// efforts are those of a search, pass by pass. A narrow pass finds a good answer soon, which lets a wider one leave out
// more. The answer is the best of all when a pass had to drop no state that could be better.
var efforts = []effort{
	{width: 16, trust: 12}, {width: 16, trust: 14, tighten: true}, {width: 128, trust: 14}, {width: 1024, trust: 14},
	{width: 4096, trust: 14},
}

const (
	// What bounds the memory of a pass: numbers in the states of a step, and steps that are remembered.
	maxStateNumbers = 1 << 19
	maxOrigins      = 1 << 20
	choicesPerWidth = 4
	// How many states are made between two looks at the clock: a tenth of a millisecond or so.
	statesBetweenLooks = 512
)

// origin is how a state was reached: from which one of the step before, by which choice.
type origin struct{ parent, chosen int32 }

// front is the states that a pass has reached at a step. State i is states[i*rules : (i+1)*rules].
type front struct {
	rules   int
	states  []int32
	left    []int32
	gains   []int64
	bounds  []int64 // gain, and the most that can come
	origins []origin
	index   map[string]int32
}

func newFront(rules int) *front { return &front{rules: rules, index: map[string]int32{}} }

func (f *front) clear() {
	f.states, f.left, f.gains = f.states[:0], f.left[:0], f.gains[:0]
	f.bounds, f.origins = f.bounds[:0], f.origins[:0]
	clear(f.index)
}

func (f *front) state(i int) []int32 { return f.states[i*f.rules : (i+1)*f.rules] }

// add keeps a state; of two equal ones, the one that gained more.
func (f *front) add(key []byte, state []int32, left int, gain, bound int64, from origin) {
	if i, known := f.index[string(key)]; known {
		if gain > f.gains[i] {
			f.gains[i], f.bounds[i], f.origins[i] = gain, bound, from
		}
		return
	}
	f.index[string(key)] = int32(len(f.gains))
	f.states = append(f.states, state...)
	f.left = append(f.left, int32(left))
	f.gains = append(f.gains, gain)
	f.bounds = append(f.bounds, bound)
	f.origins = append(f.origins, from)
}

// keep copies the most promising states to `kept`; of equals, the earlier ones.
func (f *front) keep(effort effort, kept *front) {
	promises := make([]int64, len(f.gains))
	order := make([]int32, len(f.gains))
	for i := range order {
		order[i] = int32(i)
		promises[i] = f.gains[i] + (f.bounds[i]-f.gains[i])/16*effort.trust
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(promises[b], promises[a]), cmp.Compare(a, b))
	})
	var buffer []byte
	for _, i := range order[:effort.width] {
		state := f.state(int(i))
		buffer = key(buffer, state, f.left[i])
		kept.add(buffer, state, int(f.left[i]), f.gains[i], f.bounds[i], f.origins[i])
	}
}

func key(buffer []byte, state []int32, left int32) []byte {
	buffer = buffer[:0]
	for _, number := range state {
		buffer = binary.LittleEndian.AppendUint32(buffer, uint32(number))
	}
	return binary.LittleEndian.AppendUint32(buffer, uint32(left))
}

// pass is one way through all steps of a packing with at most effort.width states at a time.
type pass struct {
	*packing
	effort  effort
	inTime  func() bool
	now     *front
	next    *front
	kept    *front // for use while states are dropped
	made    int
	dropped bool // states that could have been better
	late    bool
	scratch []int32
	key     []byte
}

// search makes a pass, and keeps a better answer if it finds one. It sets optimal when there is none better.
func (k *packing) search(effort effort, inTime func() bool) {
	if effort.tighten {
		k.tighten(inTime)
	}
	if effort.width*4*len(k.rules) > maxStateNumbers {
		return
	}
	p := &pass{
		packing: k, effort: effort, inTime: inTime, scratch: make([]int32, len(k.rules)),
		now: newFront(len(k.rules)), next: newFront(len(k.rules)), kept: newFront(len(k.rules)),
	}
	p.now.add(nil, p.scratch, k.kinds[0].count, 0, plenty, origin{})
	var history [][]origin
	remembered := 0
	for done := range k.steps {
		p.step(done)
		if p.late || remembered > maxOrigins {
			return
		}
		p.now, p.next = p.next, p.now
		p.next.clear()
		history = append(history, slices.Clone(p.now.origins))
		remembered += len(p.now.origins)
	}
	// Only what is better than the best answer so far has come this far.
	if len(p.now.gains) > 0 {
		k.gain = slices.Max(p.now.gains)
		at := int32(slices.Index(p.now.gains, k.gain))
		for done := len(history) - 1; done >= 0; done-- {
			k.path[done] = history[done][at].chosen
			at = history[done][at].parent
		}
	}
	k.optimal = !p.dropped
}

// step takes every state one step on, in every way that could lead to a better answer.
func (p *pass) step(done int) {
	s := p.steps[done]
	for i := range p.now.gains {
		if p.now.bounds[i] <= p.gain {
			continue
		}
		state, left := p.now.state(i), int(p.now.left[i])
		most := p.most(s, state, left)
		// A narrow pass looks at some of many choices only: the first, the last, and what lies evenly between.
		stride := most/(choicesPerWidth*p.effort.width) + 1
		p.dropped = p.dropped || stride > 1
		for chosen := 0; ; chosen = min(chosen+stride, most) {
			copy(p.scratch, state)
			gain, stillLeft := p.take(s, p.scratch, left, chosen)
			gain += p.now.gains[i]
			p.offer(done, s, gain, stillLeft, origin{int32(i), int32(chosen)})
			if p.made++; p.made%statesBetweenLooks == 0 && !p.inTime() {
				p.late = true
				return
			}
			if chosen == most {
				break
			}
		}
	}
	if len(p.next.gains) > p.effort.width {
		p.drop()
	}
}

// drop leaves only the most promising states for the next step.
func (p *pass) drop() {
	p.dropped = true
	p.kept.clear()
	p.next.keep(p.effort, p.kept)
	p.next, p.kept = p.kept, p.next
}

// offer keeps a state for the next step if it could lead to a better answer.
func (p *pass) offer(done int, s step, gain int64, left int, from origin) {
	kind := s.kind
	if s.action == finish {
		kind++
	}
	more := p.bounds.of(p.packing, done+1, kind, p.scratch, left)
	if more == unreachable || gain+more <= p.gain {
		return
	}
	p.key = key(p.key, p.scratch, int32(left))
	p.next.add(p.key, p.scratch, left, gain, gain+more, from)
	if len(p.next.gains) >= 4*p.effort.width {
		p.drop()
	}
}
