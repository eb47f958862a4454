package chassis

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func settingsFrom(t *testing.T, variables map[string]string) (Settings, error) {
	t.Helper()
	given := map[string]string{"SERVICE_NAME": "pricing", "SERVICE_VERSION": "1", "ENVIRONMENT": "local"}
	for variable, value := range variables {
		given[variable] = value
	}
	return ReadSettings(func(variable string) (string, bool) {
		value, set := given[variable]
		return value, set
	})
}

func TestWhatIsNotSetHasADefault(t *testing.T) {
	settings, err := settingsFrom(t, map[string]string{"PORT": ""})
	want := Settings{
		ServiceName: "pricing", ServiceVersion: "1", Environment: "local",
		Host: "127.0.0.1", Port: 8080, LogLevel: slog.LevelInfo, Shutdown: 20 * time.Second,
	}
	if err != nil || settings != want {
		t.Errorf("got %+v, %v; want %+v", settings, err, want)
	}
}

func TestTheEnvironmentIsRead(t *testing.T) {
	settings, err := settingsFrom(t, map[string]string{
		"HOST": "::", "PORT": "9090", "LOG_LEVEL": "WARNING", "SHUTDOWN_SECONDS": "0.5",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
	})
	if err != nil {
		t.Fatal(err)
	}
	if settings.Address() != "[::]:9090" || settings.LogLevel != slog.LevelWarn ||
		settings.Shutdown != 500*time.Millisecond || settings.OTLPEndpoint != "http://collector:4318" {
		t.Errorf("got %+v", settings)
	}
}

func TestEveryWrongVariableIsNamedOnALineAndItsValueIsNotRepeated(t *testing.T) {
	_, err := settingsFrom(t, map[string]string{
		"SERVICE_NAME": "Secret", "ENVIRONMENT": "", "PORT": "secret", "LOG_LEVEL": "secret", "SHUTDOWN_SECONDS": "NaN",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://secret",
	})
	if err == nil {
		t.Fatal("nothing was refused")
	}
	var named []string
	for line := range strings.Lines(err.Error()) {
		variable, _, _ := strings.Cut(line, ":")
		named = append(named, variable)
	}
	want := "SERVICE_NAME ENVIRONMENT PORT LOG_LEVEL SHUTDOWN_SECONDS OTEL_EXPORTER_OTLP_ENDPOINT"
	if got := strings.Join(named, " "); got != want {
		t.Errorf("named %s, want %s", got, want)
	}
	if strings.Contains(strings.ToLower(err.Error()), "secret") {
		t.Errorf("a value is repeated: %v", err)
	}
}

func TestNumbersHaveBounds(t *testing.T) {
	for _, wrong := range []map[string]string{
		{"PORT": "0"}, {"PORT": "65536"}, {"PORT": "80.5"}, {"SHUTDOWN_SECONDS": "0"}, {"SHUTDOWN_SECONDS": "601"},
		{"SHUTDOWN_SECONDS": "-1"}, {"SHUTDOWN_SECONDS": "+Inf"},
	} {
		if _, err := settingsFrom(t, wrong); err == nil {
			t.Errorf("%v was taken", wrong)
		}
	}
}
