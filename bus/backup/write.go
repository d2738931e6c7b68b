package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"time"
)

// pieceSize is how much of a part is one file of the tar. A tar wants sizes before contents, and nobody knows how large a part becomes; so
// it is cut into pieces, and one piece is all that is in memory.
const pieceSize = 1 << 20

// file writes the file.
type file struct {
	gz  *gzip.Writer
	tar *tar.Writer
}

func newFile(w io.Writer) (*file, error) {
	// The parts are compressed already, by a way that is fast; this squeezes out what that leaves.
	gz, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("write the backup: %w", err)
	}
	return &file{gz: gz, tar: tar.NewWriter(gz)}, nil
}

func (f *file) add(name string, data []byte) error {
	h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(data)), ModTime: time.Unix(0, 0)}
	if err := f.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if _, err := f.tar.Write(data); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

func (f *file) addJSON(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the backup: encode %s: %w", name, err)
	}
	return f.add(name, data)
}

func (f *file) end(m Manifest) error {
	if err := f.addJSON(manifestName, m); err != nil {
		return err
	}
	if err := f.tar.Close(); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if err := f.gz.Close(); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

// part takes the bytes of one part. Close must be called.
func (f *file) part(name string) *partWriter {
	return &partWriter{file: f, name: name, sum: sha256.New()}
}

type partWriter struct {
	file   *file
	name   string
	sum    hash.Hash
	piece  bytes.Buffer
	pieces int
	size   int64
}

// Write keeps what comes until there is a piece of it.
func (p *partWriter) Write(data []byte) (int, error) {
	_, _ = p.sum.Write(data) // a hash takes everything
	p.size += int64(len(data))
	for rest := data; len(rest) > 0; {
		n := min(len(rest), pieceSize-p.piece.Len())
		p.piece.Write(rest[:n])
		rest = rest[n:]
		if p.piece.Len() == pieceSize {
			if err := p.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(data), nil
}

func (p *partWriter) flush() error {
	p.pieces++
	err := p.file.add(fmt.Sprintf("%s/%06d", p.name, p.pieces), p.piece.Bytes())
	p.piece.Reset()
	return err
}

// Close writes the last piece. Even an empty part has one.
func (p *partWriter) Close() error {
	if p.piece.Len() == 0 && p.pieces > 0 {
		return nil
	}
	return p.flush()
}

func (p *partWriter) digest() string { return hex.EncodeToString(p.sum.Sum(nil)) }
