package recordings

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/firebreak-sre/firebreak/bus"
	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// bucket is where imported files lie, one a key, compressed.
	bucket = "imported"
	// kept is how long, and mostKept how many bytes of them.
	kept     = 90 * 24 * time.Hour
	mostKept = 512 << 20
	// maxFile is the largest file that is taken.
	maxFile = 64 << 20
)

// Imported is one file that lies here.
type Imported struct {
	ID         incidents.ID `json:"id"`
	ImportedAt time.Time    `json:"imported_at"`
}

// take checks a file and keeps it.
func (a *api) take(w http.ResponseWriter, r *http.Request) error {
	who, err := a.operator(r)
	if err != nil {
		return err
	}
	select {
	case a.importing <- struct{}{}:
		defer func() { <-a.importing }()
	default:
		return refusal{http.StatusTooManyRequests, "another file is being imported; try again in a moment"}
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFile))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the file is larger than %d MB", maxFile>>20)}
	}
	if err != nil {
		return refusal{http.StatusBadRequest, "the file was cut off: " + err.Error()}
	}
	id, err := a.Inspect(text)
	if err != nil {
		return refusal{http.StatusUnprocessableEntity, err.Error()}
	}
	if err := a.keep(r.Context(), id, text); err != nil {
		return err
	}
	a.Log.Info().Str("order", "import").Str("by", who).Str("incident", id.String()).Msg("an incident of elsewhere was put here for reading")
	answer(w, http.StatusCreated, map[string]string{"id": id.String()})
	return nil
}

func (a *api) keep(ctx context.Context, id incidents.ID, text []byte) error {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, err := zip.Write(text)
	if err = errors.Join(err, zip.Close()); err != nil {
		return fmt.Errorf("pack the file: %w", err)
	}
	if limit := a.Bus.JetStream().Conn().MaxPayload(); limit > 0 && int64(packed.Len()) > limit-1024 {
		return refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the file has %d kB when it is packed, and a message of the bus can have %d kB", packed.Len()>>10, limit>>10)}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	kv, err := a.Bus.JetStream().CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bucket, Description: "Incidents of elsewhere, for reading only.",
		Storage: jetstream.FileStorage, Replicas: a.Bus.Replicas(), History: 1, TTL: kept, MaxBytes: mostKept})
	if err != nil {
		return fmt.Errorf("open the bucket of imported incidents: %w", err)
	}
	if _, err := kv.Put(ctx, id.String(), packed.Bytes()); err != nil {
		return fmt.Errorf("keep incident %s: %w", id, err)
	}
	return nil
}

// open is the bucket; nil if nothing was ever imported.
func (a *api) open(ctx context.Context) (jetstream.KeyValue, error) {
	kv, err := a.Bus.JetStream().KeyValue(ctx, bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the bucket of imported incidents: %w", err)
	}
	return kv, nil
}

// list streams what lies here.
func (a *api) list(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	kv, err := a.open(ctx)
	if err != nil {
		return err
	}
	all := []Imported{}
	if kv != nil {
		if all, err = entries(ctx, kv); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	for _, one := range all {
		if err := enc.Encode(one); err != nil {
			return nil // the reader is gone
		}
	}
	return nil
}

func entries(ctx context.Context, kv jetstream.KeyValue) ([]Imported, error) {
	watch, err := kv.WatchAll(ctx, jetstream.MetaOnly(), jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("list imported incidents: %w", err)
	}
	defer func() { _ = watch.Stop() }()
	var all []Imported
	for {
		select {
		case e, more := <-watch.Updates():
			if !more {
				return nil, errors.New("list imported incidents: the list was cut off")
			}
			if e == nil { // that was all
				return all, nil
			}
			all = append(all, Imported{ID: incidents.ID(e.Key()), ImportedAt: e.Created().UTC()})
		case <-ctx.Done():
			return nil, fmt.Errorf("list imported incidents: %w", context.Cause(ctx))
		}
	}
}

// show is one file.
func (a *api) show(w http.ResponseWriter, r *http.Request, text string) error {
	id, err := incidents.ParseID(text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	kv, err := a.open(ctx)
	if err != nil {
		return err
	}
	missing := fmt.Errorf("incident %s was not imported: %w", id, bus.ErrNotFound)
	if kv == nil {
		return missing
	}
	entry, err := kv.Get(ctx, id.String())
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return missing
	}
	if err != nil {
		return fmt.Errorf("read imported incident %s: %w", id, err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(entry.Value()))
	if err != nil {
		return fmt.Errorf("unpack imported incident %s: %w", id, err)
	}
	file, err := io.ReadAll(io.LimitReader(zip, maxFile+1))
	if err != nil || len(file) > maxFile {
		return fmt.Errorf("unpack imported incident %s: %w", id, errors.Join(err, errors.New("it is damaged or too large")))
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(file) // the reader may be gone
	return nil
}
