package backup

import (
	"context"
	"io"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
)

// TakeSlowly is [Take] with something happening in front of each part.
func TakeSlowly(ctx context.Context, b *bus.Bus, w io.Writer, between func()) error {
	f, err := newFile(w)
	if err != nil {
		return err
	}
	m := Manifest{Head: Head{Format: Format, Begun: time.Now().UTC()}}
	if err := f.addJSON(headName, m.Head); err != nil {
		return err
	}
	t := taker{js: b.JetStream(), file: f, manifest: &m}
	for _, c := range order() {
		between()
		if err := t.take(ctx, c); err != nil {
			return err
		}
	}
	return f.end(m)
}
