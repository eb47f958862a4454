package chassis

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

var levels = map[string]slog.Level{
	"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARNING": slog.LevelWarn, "ERROR": slog.LevelError,
}

// Settings are the environment of a service process, typed: the variables that every service has, by the same names
// and with the same defaults as in the Python chassis.
type Settings struct {
	ServiceName    string
	ServiceVersion string
	Environment    string
	Host           string
	Port           int
	LogLevel       slog.Level
	// Shutdown is what requests in flight get to end, once the process is told to stop.
	Shutdown time.Duration
	// OTLPEndpoint is where spans are sent to; empty for nowhere.
	OTLPEndpoint string
}

// Address is what the process listens on.
func (s Settings) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// ReadSettings reads the environment through lookup (os.LookupEnv). An empty variable counts as none. The error has a
// line for each variable that is wrong; values are not repeated: they may be secrets.
func ReadSettings(lookup func(string) (string, bool)) (Settings, error) {
	e := environment{lookup: lookup}
	settings := Settings{
		ServiceName:    e.matching("SERVICE_NAME", namePattern),
		ServiceVersion: e.required("SERVICE_VERSION"),
		Environment:    e.matching("ENVIRONMENT", namePattern),
		Host:           e.text("HOST", "127.0.0.1"),
		Port:           int(e.number("PORT", 8080, 1, 65535, true)),
		LogLevel:       e.level("LOG_LEVEL", slog.LevelInfo),
		Shutdown:       time.Duration(e.number("SHUTDOWN_SECONDS", 20, 0.001, 600, false) * float64(time.Second)),
		OTLPEndpoint:   e.httpURL("OTEL_EXPORTER_OTLP_ENDPOINT"),
	}
	return settings, errors.Join(e.wrong...)
}

type environment struct {
	lookup func(string) (string, bool)
	wrong  []error
}

func (e *environment) refuse(variable, format string, values ...any) {
	e.wrong = append(e.wrong, fmt.Errorf("%s: %s", variable, fmt.Sprintf(format, values...)))
}

func (e *environment) text(variable, otherwise string) string {
	if value, _ := e.lookup(variable); value != "" {
		return value
	}
	return otherwise
}

func (e *environment) required(variable string) string {
	value := e.text(variable, "")
	if value == "" {
		e.refuse(variable, "has to be set")
	}
	return value
}

func (e *environment) matching(variable string, pattern *regexp.Regexp) string {
	value := e.required(variable)
	if value != "" && !pattern.MatchString(value) {
		e.refuse(variable, "has to match %s", pattern)
	}
	return value
}

func (e *environment) number(variable string, otherwise, least, most float64, whole bool) float64 {
	value := e.text(variable, "")
	if value == "" {
		return otherwise
	}
	number, err := strconv.ParseFloat(value, 64)
	// NaN is in no range.
	if err != nil || !(number >= least && number <= most) || whole && number != math.Trunc(number) {
		kind := "a number"
		if whole {
			kind = "a whole number"
		}
		e.refuse(variable, "has to be %s from %g to %g", kind, least, most)
		return otherwise
	}
	return number
}

func (e *environment) level(variable string, otherwise slog.Level) slog.Level {
	value := e.text(variable, "")
	if value == "" {
		return otherwise
	}
	level, known := levels[value]
	if !known {
		e.refuse(variable, "has to be DEBUG, INFO, WARNING or ERROR")
	}
	return level
}

func (e *environment) httpURL(variable string) string {
	value := e.text(variable, "")
	if value == "" {
		return ""
	}
	parsed, err := url.Parse(value)
	if err != nil || parsed.Host == "" || !strings.HasPrefix(value, "http://") && !strings.HasPrefix(value, "https://") {
		e.refuse(variable, "has to be an http or https URL")
	}
	return value
}
