package api

import (
	"context"
	"time"

	"shop/pricing/internal/quote"
)

const (
	// A basket is searched for this long at most, from the moment when its request came.
	searchTime = 50 * time.Millisecond
	// Whose turn comes late gets this all the same: it is enough for most baskets.
	leastSearchTime = 5 * time.Millisecond
	// What is left of a caller's deadline for the way back.
	margin = 10 * time.Millisecond
	// How long a caller without a deadline waits for its turn.
	patience = time.Second
)

// cores lets as many baskets be worked on at once as there are cores: with more, each of them would only take longer,
// and all of them more memory. Who waits is served in the order of coming; a search takes its turn anew for each pass,
// so a small basket does not wait until a large one is through.
type cores chan struct{}

func newCores(n int) cores { return make(cores, n) }

// pace paces one request: its first turn comes in time for the caller or not at all, further ones within searchTime.
func (c cores) pace(ctx context.Context) quote.Pace {
	begun := time.Now()
	answerBy := begun.Add(patience)
	if deadline, set := ctx.Deadline(); set {
		answerBy = deadline.Add(-margin)
	}
	searchBy, first := earlier(begun.Add(searchTime), answerBy), true
	return func(work func(func() bool)) bool {
		turnBy := searchBy
		if first {
			turnBy = answerBy
		}
		if !c.acquire(ctx, turnBy) {
			return false
		}
		defer func() { <-c }()
		if least := earlier(time.Now().Add(leastSearchTime), answerBy); first && searchBy.Before(least) {
			searchBy = least
		}
		first = false
		work(func() bool { return ctx.Err() == nil && time.Now().Before(searchBy) })
		return true
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (c cores) acquire(ctx context.Context, by time.Time) bool {
	waiting, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	if waiting.Err() != nil {
		return false
	}
	select {
	case c <- struct{}{}:
		return true
	case <-waiting.Done():
		return false
	}
}
