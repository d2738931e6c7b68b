package guard

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
)

const (
	// fileLooks is how many looks at the stop file may be under way. Looks at a dead network mount hang where nothing can
	// interrupt them; they must not pile up.
	fileLooks = 16
	// fileHead is how much of the file is read, in bytes.
	fileHead = 4096
)

// stopFile is the kill switch that needs nothing but a disk.
type stopFile struct {
	path  string
	looks chan struct{}
}

func newStopFile(path string) *stopFile {
	return &stopFile{path: path, looks: make(chan struct{}, fileLooks)}
}

// read looks whether the file exists. Everything but a clear "there is none" is off. A link counts by itself, wherever it leads:
// somebody made it.
func (f *stopFile) read(ctx context.Context) Switch {
	s := Switch{Means: MeansFile, Path: f.path}
	reason, err := within(ctx, readWithin, func(ctx context.Context) (string, error) {
		select {
		case f.looks <- struct{}{}:
			defer func() { <-f.looks }()
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		if _, err := os.Lstat(f.path); err != nil {
			return "", err
		}
		return firstLine(f.path), nil
	})
	switch {
	case err == nil:
		s.Off, s.Reason = true, reason
	case !errors.Is(err, fs.ErrNotExist):
		s.Off, s.Unread = true, cause(err)
	}
	return s
}

// firstLine is what the file says, as far as it can be read: the file counts without it. What is not a plain file is not opened,
// since opening a pipe waits for who writes to it.
func firstLine(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	head, err := io.ReadAll(io.LimitReader(file, fileHead))
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(head)), "\n")
	return clean(line, maxReason)
}
