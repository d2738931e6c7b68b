package sessionstest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/firebreak-sre/firebreak/internal/sessions"
)

func reconcileChecks() []check {
	return []check{
		{"dominated", "a copy that another one dominates is taken away, and restored with the same contents", true, dominated},
		{"concurrent", "concurrent copies are left alone, whatever the clock says", true, concurrent},
		{"set_aside", "concurrent copies are taken away all together if the order says so", true, setAside},
		{"unseen_copy", "a session with a copy that was not seen is left alone", true, unseenCopy},
	}
}

// copies makes copies of one session: the first as the session itself, the others in the name of nodes.
func (t *trial) copies(ctx context.Context, versions ...sessions.Version) ([]sessions.Session, []Made, error) {
	m, err := t.store.Membership(ctx)
	if err != nil {
		return nil, nil, err
	}
	id := t.name("c")
	var list []sessions.Session
	var all []Made
	for i, v := range versions {
		made := t.orphan(m)
		made.Key, made.Version, made.LeaseIn = sessions.Key{ID: id}, v, 3600
		if i > 0 {
			made.Copy = t.node(m, i)
		}
		made.Contents = map[string]string{"copy": fmt.Sprint(i)}
		s, err := t.make(ctx, made)
		if err != nil {
			return nil, nil, err
		}
		list, all = append(list, s), append(all, made)
	}
	return list, all, nil
}

// node is the name of a copy's node: a registered one where there are enough.
func (t *trial) node(m sessions.Membership, i int) string {
	if i <= len(m.Members) {
		return m.Members[i-1].Name
	}
	return fmt.Sprintf("%snode%d", Prefix, i)
}

func (t *trial) reconcile(ctx context.Context, list []sessions.Session, limit int, aside bool) (sessions.Reconcile, sessions.Answer, error) {
	o, err := t.order(ctx, limit)
	if err != nil {
		return sessions.Reconcile{}, sessions.Answer{}, err
	}
	r := sessions.Reconcile{Order: o, Sessions: list, SetAside: aside}
	a, err := t.store.Reconcile(ctx, r)
	return r, a, err
}

func dominated(ctx context.Context, t *trial) error {
	list, made, err := t.copies(ctx, sessions.Version{"a": 3, "b": 2}, sessions.Version{"a": 3, "b": 1})
	if err != nil {
		return err
	}
	r, a, err := t.reconcile(ctx, list, 1, false)
	if err != nil {
		return err
	}
	err = errors.Join(want(a, list[0].Key, sessions.Kept), want(a, list[1].Key, sessions.Done),
		t.live(ctx, made[0], list[0]), t.away(ctx, list[1].Key, r.Action))
	if err != nil {
		return err
	}
	b, err := t.store.Reconcile(ctx, r)
	if err != nil || !slices.Equal(a.Items, b.Items) {
		return fmt.Errorf("the same order again answered %+v, %w", b, orNone(err))
	}
	if _, err := t.restore(ctx, r.Action); err != nil {
		return err
	}
	return t.live(ctx, made[1], list[1])
}

func concurrent(ctx context.Context, t *trial) error {
	list, made, err := t.copies(ctx, sessions.Version{"a": 3, "b": 1}, sessions.Version{"a": 2, "b": 2})
	if err != nil {
		return err
	}
	_, a, err := t.reconcile(ctx, list, 2, false)
	if err != nil {
		return err
	}
	return errors.Join(want(a, list[0].Key, sessions.Conflict), want(a, list[1].Key, sessions.Conflict),
		t.live(ctx, made[0], list[0]), t.live(ctx, made[1], list[1]))
}

func setAside(ctx context.Context, t *trial) error {
	if err := t.fill(ctx, 250); err != nil { // so that two are not over the bound
		return err
	}
	list, made, err := t.copies(ctx, sessions.Version{"a": 3, "b": 1}, sessions.Version{"a": 2, "b": 2})
	if err != nil {
		return err
	}
	_, a, err := t.reconcile(ctx, list, 1, true)
	if err != nil {
		return err
	}
	// One of two would leave the other as if it were right.
	err = errors.Join(want(a, list[0].Key, sessions.OverBound), t.live(ctx, made[0], list[0]), t.live(ctx, made[1], list[1]))
	if err != nil {
		return fmt.Errorf("max 1 for two copies: %w", err)
	}
	r, a, err := t.reconcile(ctx, list, 2, true)
	if err != nil {
		return err
	}
	err = errors.Join(want(a, list[0].Key, sessions.Done), want(a, list[1].Key, sessions.Done),
		t.away(ctx, list[0].Key, r.Action), t.away(ctx, list[1].Key, r.Action))
	if err != nil {
		return err
	}
	if _, err := t.restore(ctx, r.Action); err != nil {
		return err
	}
	return errors.Join(t.live(ctx, made[0], list[0]), t.live(ctx, made[1], list[1]))
}

func unseenCopy(ctx context.Context, t *trial) error {
	list, made, err := t.copies(ctx, sessions.Version{"a": 2}, sessions.Version{"a": 1}, sessions.Version{"a": 3})
	if err != nil {
		return err
	}
	_, a, err := t.reconcile(ctx, list[:2], 2, false)
	if err != nil {
		return err
	}
	err = errors.Join(want(a, list[0].Key, sessions.Changed), want(a, list[1].Key, sessions.Changed))
	for i := range list {
		err = errors.Join(err, t.live(ctx, made[i], list[i]))
	}
	return err
}

// fill sees to it that there are so many sessions.
func (t *trial) fill(ctx context.Context, total int) error {
	m, err := t.store.Membership(ctx)
	if err != nil {
		return err
	}
	for n := m.Total; n < total; n++ {
		made := t.orphan(m)
		made.LeaseIn = 3600
		t.made[made.Key] = true
		if err := t.bench.Make(ctx, made); err != nil {
			return err
		}
	}
	return nil
}
