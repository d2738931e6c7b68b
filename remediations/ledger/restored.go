package ledger

import (
	"context"
	"fmt"
)

// SkipFences sets the fence forward by n, and grants nothing. It is for a book that was restored: grants that were made behind the backup
// have fences that targets may have seen, and none of them must come again.
func (b *Book) SkipFences(n uint64) { b.c.Fence += n }

// SkipFences is [Book.SkipFences].
func (l *Ledger) SkipFences(ctx context.Context, n uint64) error {
	err := l.change(ctx, func(b *Book) (bool, error) {
		b.SkipFences(n)
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("set the ledger's fence forward: %w", err)
	}
	return nil
}
