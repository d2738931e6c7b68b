package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/internal/failpoint"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// removeWithin bounds cleaning up behind a restore that failed.
const removeWithin = time.Minute

// Restore makes the streams of a backup on a bus that was opened bare and has none of ours; [ErrNotEmpty] otherwise. The file is read to
// its end before anything is written. finish is called when all of it is there: what it changes belongs to the restore. Until it has
// returned the bus is marked as [bus.Unfinished], and nobody can serve on it. After an error all is taken away again; after a crash the
// next restore does that.
func Restore(ctx context.Context, b *bus.Bus, file io.ReadSeeker, finish func(context.Context, Manifest) error) (Manifest, error) {
	m, err := Verify(file)
	if err != nil {
		return Manifest{}, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return Manifest{}, fmt.Errorf("read the backup again: %w", err)
	}
	js := b.JetStream()
	if err := sweep(ctx, js); err != nil {
		return Manifest{}, err
	}
	mark := nuid.Next()
	if err := begin(ctx, js, b.Replicas(), mark); err != nil {
		return Manifest{}, err
	}
	failpoint.Hit("restore:begun")
	err = fill(ctx, b, file, m)
	if err == nil {
		err = finish(ctx, m)
	}
	if own := marked(ctx, js, mark); own != nil {
		return Manifest{}, errors.Join(err, own) // what is there is not ours to take away
	}
	if err != nil {
		// What was begun is taken away even if nobody waits for it any more.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeWithin)
		defer cancel()
		return Manifest{}, errors.Join(err, sweep(ctx, js))
	}
	failpoint.Hit("restore:before_end")
	if err := js.DeleteStream(ctx, bus.Unfinished); err != nil {
		return Manifest{}, fmt.Errorf("end the restore: %w", err)
	}
	return m, nil
}

// sweep removes what an unfinished restore has left. What is there without one is refused.
func sweep(ctx context.Context, js jetstream.JetStream) error {
	names, err := streamNames(ctx, js)
	if err != nil {
		return err
	}
	there := slices.DeleteFunc(names, func(name string) bool { return !ours(name) })
	if len(there) == 0 {
		return nil
	}
	if !slices.Contains(there, bus.Unfinished) {
		return fmt.Errorf("restore: the bus is %w: it has %s", ErrNotEmpty, strings.Join(there, ", "))
	}
	for _, name := range append(slices.DeleteFunc(there, func(name string) bool { return name == bus.Unfinished }), bus.Unfinished) {
		if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("remove what an unfinished restore left: %s: %w", name, err)
		}
	}
	return nil
}

// errOther says that this restore is not the last one that was begun.
var errOther = errors.New("another restore was begun on this bus meanwhile, and took this one for broken off; let it end, or run one again")

// marked says whether the mark is still that of this restore. If the bus does not say, it counts as ours: then it still stands.
func marked(ctx context.Context, js jetstream.JetStream, mark string) error {
	s, err := js.Stream(context.WithoutCancel(ctx), bus.Unfinished)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return errOther
	case err != nil:
		return nil //nolint:nilerr // see above
	case s.CachedInfo().Config.Metadata["restore"] != mark:
		return errOther
	}
	return nil
}

// begin marks the bus.
func begin(ctx context.Context, js jetstream.JetStream, replicas int, mark string) error {
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: bus.Unfinished, Subjects: []string{"firebreak.restore"}, Replicas: replicas,
		Storage: jetstream.FileStorage, MaxMsgs: 1, Description: "a restore is under way here, or was broken off",
		// So a second one at the same time, which wants another mark, is refused.
		Metadata: map[string]string{"restore": mark}})
	if err != nil {
		return fmt.Errorf("mark the bus as one that is being restored: %w", err)
	}
	return nil
}

// fill makes the streams, in the order of the file.
func fill(ctx context.Context, b *bus.Bus, file io.Reader, m Manifest) error {
	js := b.JetStream()
	again, err := walk(file, func(name string, part io.Reader) error {
		i := slices.IndexFunc(m.Parts, func(p Part) bool { return p.Name == name })
		if i < 0 {
			return fmt.Errorf("read the backup again: %w: it has changed meanwhile", ErrDamaged)
		}
		p := m.Parts[i]
		if p.Tail {
			return publishTail(ctx, js, p.Stream, part)
		}
		err := upload(ctx, js.Conn(), p, b.Replicas(), part)
		failpoint.Hit("restore:" + p.Stream)
		return err
	})
	if err != nil {
		return err
	}
	before, _ := json.Marshal(m)
	after, _ := json.Marshal(again)
	if string(before) != string(after) {
		return fmt.Errorf("read the backup again: %w: it has changed meanwhile", ErrDamaged)
	}
	return nil
}
