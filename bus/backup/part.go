package backup

import (
	"fmt"
	"hash"
	"io"
)

// partReader is one part, read from all its pieces.
type partReader struct {
	pieces *pieces
	dir    string
	// n is the piece at hand.
	n    int
	sum  hash.Hash
	size int64
	// over says that the file at hand is not of this part any more.
	over bool
	// broken is why the file could not be read on.
	broken error
}

// Read reads on, over the ends of pieces.
func (r *partReader) Read(p []byte) (int, error) {
	if r.broken != nil {
		return 0, r.broken
	}
	for !r.over {
		n, err := r.pieces.tar.Read(p)
		_, _ = r.sum.Write(p[:n]) // a hash takes everything
		r.size += int64(n)
		if err != nil && err != io.EOF {
			r.broken = fmt.Errorf("read the backup: %w: %w", ErrDamaged, err)
			return n, r.broken
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
		if err == io.EOF {
			r.next()
		}
		if r.broken != nil {
			return 0, r.broken
		}
	}
	return 0, io.EOF
}

// next takes the next piece in hand, or finds that there is none.
func (r *partReader) next() {
	if err := r.pieces.advance(); err != nil {
		r.broken = fmt.Errorf("read the backup: %w: %w", ErrDamaged, err)
		return
	}
	r.n++
	r.over = r.pieces.name() != fmt.Sprintf("%s/%06d", r.dir, r.n)
}
