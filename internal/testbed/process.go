package testbed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	// stopWithin is how long a server may take to end after SIGTERM before it gets SIGKILL.
	stopWithin = 10 * time.Second
	// dumpBytes is how much of a server's log a failed test shows: the end of it.
	dumpBytes = 64 << 10
)

// Command is a program to start.
type Command struct {
	// Name is what people read in messages and logs, e.g. "alertmanager".
	Name string
	// Path is the program, Args what follows it on the command line.
	Path string
	Args []string
	// Dir is where it runs, default the current folder. Env is its environment, default this process's.
	Dir string
	Env []string
	// User is the system user to run as, with the groups of that user, when we are root; see [Folder] for files that it can reach.
	// As anybody else it is ignored, since only root may become somebody. Empty: who we are.
	User string
	// StopSignal is how the program is asked to end, default SIGTERM. DeathSignal is what it gets when our process is killed,
	// default SIGKILL; only Linux sends it.
	StopSignal  syscall.Signal
	DeathSignal syscall.Signal
}

// Process is a started program that belongs to a test. Its methods may be called from any goroutine.
type Process struct {
	command Command
	logPath string

	mu  sync.Mutex
	run *running // the latest start; guarded by mu
}

// running is one life of a process.
type running struct {
	process *os.Process
	ended   chan struct{} // closed when it has ended and was reaped
	err     error         // why it ended; read only after ended is closed
}

// Start starts a program, and sees to it that it is stopped when the test ends. What it prints goes into a file, whose end
// is shown if the test fails.
func Start(t TB, c Command) *Process {
	t.Helper()
	// The folder is asked for before the cleanup is registered, so that it is removed after the process has ended.
	p := &Process{command: c, logPath: filepath.Join(t.TempDir(), c.Name+".log")}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("testbed: the end of what %s printed:\n%s", c.Name, p.Log())
		}
	})
	if err := p.Start(); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	return p
}

// Start starts the program again after Stop or Kill9, with the same command line. It is an error if it still runs.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run != nil && !p.run.hasEnded() {
		return fmt.Errorf("start %s: it runs already, with pid %d", p.command.Name, p.run.process.Pid)
	}
	run, err := launch(p.command, p.logPath)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.command.Name, err)
	}
	p.run = run
	return nil
}

// Stop ends the program as an operator would: SIGTERM, or what its command says, and SIGKILL if it has not ended in time. A program
// that was made to hang goes on, so that it can end. It returns when the program has ended. Stopping what has ended does nothing.
func (p *Process) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil || p.run.hasEnded() {
		return
	}
	p.run.signal(orSignal(p.command.StopSignal, syscall.SIGTERM))
	p.run.signal(syscall.SIGCONT)
	patience := time.NewTimer(stopWithin)
	defer patience.Stop()
	select {
	case <-p.run.ended:
	case <-patience.C:
		p.run.signal(syscall.SIGKILL)
		<-p.run.ended
	}
}

// Kill9 ends the program as a crash would: SIGKILL, with no chance to write anything. It returns when the program has ended.
func (p *Process) Kill9() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil || p.run.hasEnded() {
		return
	}
	p.run.signal(syscall.SIGKILL)
	<-p.run.ended
}

// Signal sends a signal to the program, e.g. SIGSTOP and SIGCONT to make it hang and go on.
func (p *Process) Signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run != nil && !p.run.hasEnded() {
		p.run.signal(s)
	}
}

// PID is the process id of the latest start.
func (p *Process) PID() int { return p.life().process.Pid }

// Ended is closed when the latest start has ended.
func (p *Process) Ended() <-chan struct{} { return p.life().ended }

// Log is the end of what the program printed, over all of its starts.
func (p *Process) Log() string {
	b, err := os.ReadFile(p.logPath)
	if err != nil {
		return err.Error()
	}
	if len(b) > dumpBytes {
		b = b[len(b)-dumpBytes:]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return string(b)
}

// awaitReady waits until ready is true. It gives up at once if the program ends.
func (p *Process) awaitReady(timeout time.Duration, ready func() bool) error {
	life := p.life()
	if poll(timeout, life.ended, ready) {
		return nil
	}
	if life.hasEnded() {
		return fmt.Errorf("await %s: it ended before it was ready: %w", p.command.Name, life.reason())
	}
	return fmt.Errorf("await %s: not ready after %s", p.command.Name, timeout)
}

func (p *Process) life() *running {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run
}

// launch starts a command whose output is appended to a file.
func launch(c Command, logPath string) (*running, error) {
	credential, err := credentialOf(c.User)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(logPath, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup(orSignal(c.DeathSignal, syscall.SIGKILL))
	cmd.SysProcAttr.Credential = credential

	r := &running{ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The death signal comes when the thread that started the process ends, not when our process does. So this
		// thread is kept for as long as the process lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer log.Close()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		r.process = cmd.Process
		started <- nil
		r.err = cmd.Wait()
		close(r.ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return r, nil
}

// orSignal is s, or the default where s is not set.
func orSignal(s, byDefault syscall.Signal) syscall.Signal {
	if s == 0 {
		return byDefault
	}
	return s
}

func (r *running) hasEnded() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// reason is why an ended program ended.
func (r *running) reason() error {
	if r.err == nil {
		return errors.New("exit status 0")
	}
	return r.err
}

// signal reaches exactly this process: the os package knows when it was reaped, so a recycled pid is never hit.
func (r *running) signal(s syscall.Signal) {
	// The only error is that it has ended meanwhile, which is what the caller waits for anyway.
	_ = r.process.Signal(s)
}
