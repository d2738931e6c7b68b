//go:build !unix

package main

import (
	"context"

	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/rs/zerolog"
)

// watchSignals has nothing to watch where there are no such signals: the stop file and the switch on the bus remain.
func watchSignals(ctx context.Context, _ *guard.Brake, _ zerolog.Logger) error {
	<-ctx.Done()
	return nil
}
