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
	_ "time/tzdata" // maintenance windows name time zones, and a container from scratch has none

	"github.com/alecthomas/kong"
	"github.com/mattn/go-isatty"
)

func main() {
	silenceRedis()
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
	Explain   explainCmd   `cmd:"" help:"Say why an incident went as it did, and what was not done."`
	Review    reviewCmd    `cmd:"" help:"Write the document that a post-incident review begins with."`
	KPI       kpiCmd       `cmd:"" name:"kpi" help:"Say how long incidents took against the targets, and how they ended."`
	Alerts    alertsCmd    `cmd:"" help:"List what Alertmanager sent, which it does not keep itself."`
	Replay    replayCmd    `cmd:"" help:"Tell a recorded incident again, check it, or try another policy on the past."`
	Export    exportCmd    `cmd:"" help:"Write recorded incidents to files that stand for themselves."`
	Import    importCmd    `cmd:"" help:"Put incident files on a server, for reading only."`
	Test      testCmd      `cmd:"" help:"Hold that a policy does with recorded incidents what it should."`

	Blocked    blockedCmd    `cmd:"" help:"Say everything that refuses changes now, and what lifts it."`
	Budget     budgetCmd     `cmd:"" help:"Show how many changes are left in this hour and day."`
	Pause      pauseCmd      `cmd:"" help:"Start no change for a while, everywhere or in one place."`
	Resume     resumeCmd     `cmd:"" help:"End a pause, or all of them."`
	KillSwitch killSwitchCmd `cmd:"" help:"on: start no change any more, anywhere. off: let it go."`
	Ack        ackCmd        `cmd:"" help:"Say that you looked at what was done; lifts what waits for that."`
	Act        actCmd        `cmd:"" help:"Let one change pass the brakes, on your word."`
	Recall     recallCmd     `cmd:"" help:"Have a change taken back now."`
	Approvals  approvalsCmd  `cmd:"" help:"List the plans that wait for a person's yes."`
	Approve    approveCmd    `cmd:"" help:"Say yes to one plan, after reading it."`
	Deny       denyCmd       `cmd:"" help:"Say no to one plan."`

	Sessions sessionsCmd `cmd:"" help:"Try, show, restore, move and compare stores of sessions."`

	Notify  notifyCmd  `cmd:"" help:"Try the places that are told of outcomes."`
	Slack   slackCmd   `cmd:"" help:"Set Slack up."`
	Deadman deadmanCmd `cmd:"" help:"Run beside a PgBouncer, and end a pause on time when nobody else does."`
	Archive archiveCmd `cmd:"" help:"Make and look at the archive of incidents in PostgreSQL."`
	Backup  backupCmd  `cmd:"" help:"Take a backup of a running server."`
	Restore restoreCmd `cmd:"" help:"Restore a backup, while no server runs."`
	Config  configCmd  `cmd:"" help:"Check a policy file, or print an example or the schema."`
	Token   tokenCmd   `cmd:"" help:"Make a token, and the line of the policy that accepts it."`
	Health  healthCmd  `cmd:"" help:"Say whether a running server is well, for what watches processes."`
	Bench   benchCmd   `cmd:"" help:"Measure on this machine, beside a floor in the same run."`
	Version versionCmd `cmd:"" help:"Print the version."`

	Runbooks   runbooksCmd   `cmd:"" help:"Show the runbooks: who answers how soon, what is done, and what a person does."`
	Rules      rulesCmd      `cmd:"" help:"Print the Prometheus rules that the handlers are made for."`
	Completion completionCmd `cmd:"" help:"Print what makes a shell complete commands and flags."`
	Man        manCmd        `cmd:"" help:"Print the manual page."`
}

// app is what every command gets: its surroundings, so that a test can be them.
type app struct {
	ctx    context.Context //nolint:containedctx // it lives exactly as long as one command
	env    func(string) (string, bool)
	stdout io.Writer
	stderr io.Writer
	stdin  io.Reader
	// terminal says that a person sits at stdin, who can be asked.
	terminal bool
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
	err = k.Run(&app{ctx: ctx, env: env, stdout: stdout, stderr: stderr, stdin: os.Stdin, terminal: isatty.IsTerminal(os.Stdin.Fd())})
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
