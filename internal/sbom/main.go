// Command sbom prints what a Go program is made of, as CycloneDX JSON: it reads the program itself, so it says what is in it and not what should be. It is
// a module of its own, since the product needs nothing of it.
package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// run reads the program that args name, and prints its parts.
func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("sbom", flag.ContinueOnError)
	version := flags.String("version", "", "the program's version")
	at := flags.Int64("time", 0, "when it was made, in seconds of Unix time (SOURCE_DATE_EPOCH)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || *version == "" {
		return errors.New("call it as: sbom -version VERSION -time SECONDS PROGRAM")
	}
	program, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return fmt.Errorf("read the program: %w", err)
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("read what %s is made of: %w", flags.Arg(0), err)
	}
	sum := sha256.Sum256(program)
	return write(stdout, made{name: filepath.Base(info.Path), version: *version, sum: hex.EncodeToString(sum[:]), at: time.Unix(*at, 0).UTC(), info: info})
}
