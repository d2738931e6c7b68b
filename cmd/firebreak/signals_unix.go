//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/firebreak-sre/firebreak/remediations/guard"
	"github.com/rs/zerolog"
)

// watchSignals makes USR1 the kill switch of this process, and USR2 its end: they work when neither bus nor disk does.
func watchSignals(ctx context.Context, b *guard.Brake, log zerolog.Logger) error {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(got)
	for {
		select {
		case s := <-got:
			if s == syscall.SIGUSR1 {
				b.Stop("signal USR1")
				log.Warn().Msg("signal USR1: this process changes nothing until signal USR2; what stands is still taken back")
				continue
			}
			b.Go()
			log.Warn().Msg("signal USR2: this process may change things again")
		case <-ctx.Done():
			return nil
		}
	}
}
