// Command firebreak answers alerts: it probes, decides, applies one small fix that undoes itself, verifies and reverts.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// cli is the whole command line. Each command is a struct in a file of its own, with a Run method.
type cli struct {
	Serve     serveCmd     `cmd:"" help:"Take alerts, carry incidents, tell outcomes."`
	Demo      demoCmd      `cmd:"" help:"Show a real retry storm being answered, on this machine, in under a minute."`
	Incidents incidentsCmd `cmd:"" help:"List, show or watch incidents of a running server."`
	Alerts    alertsCmd    `cmd:"" help:"List what Alertmanager sent, which it does not keep itself."`
	Config    configCmd    `cmd:"" help:"Check a policy file, or print an example or the schema."`
	Bench     benchCmd     `cmd:"" help:"Measure on this machine, beside a floor in the same run."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// app is what every command gets: its surroundings, so that a test can be them.
type app struct {
	ctx    context.Context //nolint:containedctx // it lives exactly as long as one command
	env    func(string) (string, bool)
	stdout io.Writer
	stderr io.Writer
}

// exitError ends the program with a code, after what had to be said has been said.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit %d", e.code) }

// run is main without its surroundings. It returns the exit code: 0 done, 1 not, 2 called wrongly.
func run(ctx context.Context, args []string, env func(string) (string, bool), stdout, stderr io.Writer) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c, kong.Name("firebreak"), kong.Writers(stdout, stderr), fromVariables(env),
		kong.Description("Answers alerts: probes the live system, decides, applies one small fix that undoes itself, verifies, reverts, and tells."),
		kong.Exit(func(code int) { exited = code }), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		fmt.Fprintln(stderr, "firebreak:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintln(stderr, "firebreak:", err)
		fmt.Fprintln(stderr, "Run \"firebreak --help\" for what it can do.")
		return 2
	}
	err = k.Run(&app{ctx: ctx, env: env, stdout: stdout, stderr: stderr})
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	}
	fmt.Fprintln(stderr, "firebreak:", err)
	return 1
}
