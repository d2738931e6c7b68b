package backup

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// maxText bounds the head and the manifest, in bytes.
const maxText = 16 << 20

// Verify reads a backup to its end. It returns what is in it only if all of it is as it was written: [ErrForeign] or [ErrDamaged]
// otherwise.
func Verify(r io.Reader) (Manifest, error) {
	return walk(r, func(string, io.Reader) error { return nil })
}

// walk hands each part of a file to fn, by its name, and then checks all of it against the manifest, which is at the end. So fn must not
// believe what it gets, unless the file has been verified before.
func walk(r io.Reader, fn func(name string, part io.Reader) error) (Manifest, error) {
	gz, err := gzip.NewReader(r)
	if err != nil {
		return Manifest{}, fmt.Errorf("read the backup: %w: %w", ErrForeign, err)
	}
	in := &pieces{tar: tar.NewReader(gz)}
	var head Head
	if err := in.advance(); err != nil || in.name() != headName {
		return Manifest{}, fmt.Errorf("read the backup: %w: it does not begin like one", errors.Join(ErrForeign, err))
	}
	if err := in.text(&head); err != nil {
		return Manifest{}, fmt.Errorf("read the backup: %w: %w", ErrForeign, err)
	}
	if err := head.check(); err != nil {
		return Manifest{}, fmt.Errorf("read the backup: %w", err)
	}
	found, err := in.parts(fn)
	if err != nil {
		return Manifest{}, err
	}
	var m Manifest
	if err := in.text(&m); err != nil {
		return Manifest{}, fmt.Errorf("read the backup: %w: its end: %w", ErrDamaged, err)
	}
	// The rest holds nothing but the checksum of everything.
	if _, err := in.tar.Next(); err != io.EOF {
		return Manifest{}, fmt.Errorf("read the backup: %w: something follows its end", ErrDamaged)
	}
	if n, err := io.Copy(io.Discard, gz); err != nil || n > 0 {
		return Manifest{}, fmt.Errorf("read the backup: %w: %d bytes follow its end (%w)", ErrDamaged, n, cmp.Or(err, io.EOF))
	}
	return m, m.check(head, found)
}

// found is a part as it is in the file.
type found struct {
	name   string
	bytes  int64
	sha256 string
}

// check holds the manifest against the file.
func (m Manifest) check(head Head, parts []found) error {
	if m.Format != head.Format || m.Build != head.Build || !m.Begun.Equal(head.Begun) || m.Name != head.Name {
		return fmt.Errorf("read the backup: %w: its beginning and its end are of two backups", ErrDamaged)
	}
	if len(parts) != len(m.Parts) {
		return fmt.Errorf("read the backup: %w: it has %d parts, and its end says %d", ErrDamaged, len(parts), len(m.Parts))
	}
	have := map[string]bool{}
	for i, p := range m.Parts {
		if f := parts[i]; f.name != p.Name || f.bytes != p.Bytes || f.sha256 != p.SHA256 {
			return fmt.Errorf("read the backup: %w: %s is not as it was written", ErrDamaged, p.Name)
		}
		if !p.Tail && (have[p.Stream] || p.State == nil || len(p.Config) == 0) || p.Tail && !have[p.Stream] {
			return fmt.Errorf("read the backup: %w: nobody writes a part like %s", ErrDamaged, p.Name)
		}
		have[p.Stream] = true
	}
	for _, c := range order() {
		if c.always && !have[c.stream] {
			return fmt.Errorf("read the backup: %w: it lacks %s", ErrDamaged, c.stream)
		}
		delete(have, c.stream)
	}
	for stream := range have {
		return fmt.Errorf("read the backup: %w: it holds a stream %s that this build does not know", ErrForeign, stream)
	}
	return nil
}

// pieces reads the pieces of the parts as the file has them, one behind the other.
type pieces struct {
	tar *tar.Reader
	at  *tar.Header // nil before the first
}

func (p *pieces) advance() error {
	h, err := p.tar.Next()
	if errors.Is(err, io.EOF) {
		err = errors.New("it was cut off")
	}
	if err == nil && h.Typeflag != tar.TypeReg {
		err = fmt.Errorf("%q is no file", h.Name)
	}
	p.at = h
	return err
}

func (p *pieces) name() string {
	if p.at == nil {
		return ""
	}
	return p.at.Name
}

// text decodes the file at hand.
func (p *pieces) text(into any) error {
	data, err := io.ReadAll(io.LimitReader(p.tar, maxText+1))
	if err != nil {
		return err
	}
	if len(data) > maxText {
		return fmt.Errorf("%s is larger than %d bytes", p.name(), maxText)
	}
	return json.NewDecoder(bytes.NewReader(data)).Decode(into)
}

// parts hands over every part, until the manifest is at hand.
func (p *pieces) parts(fn func(name string, part io.Reader) error) ([]found, error) {
	var all []found
	if err := p.advance(); err != nil {
		return nil, fmt.Errorf("read the backup: %w: %w", ErrDamaged, err)
	}
	for p.name() != manifestName {
		dir, piece := path.Split(p.name())
		dir = strings.TrimSuffix(dir, "/")
		if piece != "000001" || !strings.HasPrefix(dir, "parts/") {
			return nil, fmt.Errorf("read the backup: %w: it holds a file %q", ErrDamaged, p.name())
		}
		part := &partReader{pieces: p, dir: dir, n: 1, sum: sha256.New()}
		err := fn(dir, part)
		if err == nil {
			_, err = io.Copy(io.Discard, part)
		}
		if part.broken != nil {
			return nil, part.broken
		}
		if err != nil {
			return nil, err
		}
		all = append(all, found{name: dir, bytes: part.size, sha256: hex.EncodeToString(part.sum.Sum(nil))})
	}
	return all, nil
}
