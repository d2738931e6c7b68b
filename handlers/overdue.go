package handlers

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/firebreak-sre/firebreak/incidents"
)

// overdueWithin bounds how long the start waits for changes that should have ended. They are tried on after that.
const overdueWithin = 15 * time.Second

// EndOverdue takes back what should have been taken back while nobody looked, before anything new is begun. It asks nobody
// whether another replica has it in hand: taking back is compare-and-act and may be done twice.
func (l *Loop) EndOverdue(ctx context.Context) {
	process := ctx
	ctx, cancel := context.WithTimeout(ctx, overdueWithin)
	defer cancel()
	open, err := l.agenda.Open(ctx)
	if process.Err() != nil {
		return // it ends before it began
	}
	if err != nil {
		l.cfg.Log.Error().Err(err).Msg("what is overdue could not be found; it is found when its time in the agenda comes")
		return
	}
	var wg sync.WaitGroup
	free := make(chan struct{}, workers)
	for key := range open {
		if !l.ours(key) {
			continue
		}
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			l.endOverdue(ctx, key)
		})
	}
	wg.Wait()
}

func (l *Loop) endOverdue(ctx context.Context, key string) {
	id, err := incidents.IDOfKey(key)
	if err != nil {
		return // not ours; the agenda's own work says so
	}
	st, err := l.store.Load(ctx, id)
	if err != nil || !l.overdue(st) {
		return
	}
	if err := l.Carry(ctx, key); err != nil {
		l.cfg.Log.Warn().Err(err).Str("incident", id.String()).Msg("an overdue change could not be taken back yet")
		return
	}
	l.cfg.Metrics.overdue.WithLabelValues(id.Handler()).Inc()
}

// overdue says that a change may stand at the target although its time is over.
func (l *Loop) overdue(st *incidents.State) bool {
	f := st.Fix()
	if f == nil || f.Times.Issued.IsZero() || !f.Times.Ended.IsZero() {
		return false
	}
	return !l.cfg.Now().Before(hardEnd(f)) || st.Stage == incidents.Undoing || st.Stage == incidents.UndoDoubtful
}

func (l *Loop) ours(key string) bool {
	for _, p := range l.prefixes() {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}
