package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sluice/internal/nspawn"
)

// needs skips without a program, and fails without it in CI.
func needs(t *testing.T, name, pkg string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	nspawn.Skip(t, name+" is missing; on Debian: apt-get install "+pkg)
	return ""
}

func TestPasswordsAreByChance(t *testing.T) {
	seen, signs := map[string]bool{}, map[rune]int{}
	for range 2000 {
		p := newPassword()
		if seen[p] || !regexp.MustCompile(`^[0-9A-Za-z]{24}$`).MatchString(p) {
			t.Fatalf("password %q", p)
		}
		seen[p] = true
		for _, r := range p {
			signs[r]++
		}
	}
	// 48,000 signs, 774 of each; the deviation is 28.
	if len(signs) != 62 {
		t.Errorf("%d different signs, not 62", len(signs))
	}
	for r, n := range signs {
		if n < 774-6*28 || n > 774+6*28 {
			t.Errorf("%q came %d times, about 774 are to be expected", r, n)
		}
	}
}

func TestHashFitsItsPassword(t *testing.T) {
	for _, password := range []string{"a", "s3cret-word", strings.Repeat("é", 40), newPassword()} {
		hash, err := hashPassword(password)
		if err != nil || !passwordFits(hash, password) || passwordFits(hash, password+"x") {
			t.Errorf("%q: %s, %v", password, hash, err)
		}
		if other, _ := hashPassword(password); other == hash {
			t.Errorf("%q: the salt is the same twice", password)
		}
	}
}

// What mosquitto_passwd has written is read; what it writes looks alike.
func TestHashIsMosquittos(t *testing.T) {
	tool := needs(t, "mosquitto_passwd", "mosquitto")
	file := filepath.Join(t.TempDir(), "passwd")
	if out, err := exec.Command(tool, "-c", "-b", file, "recorder", "s3cret").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ok := userHash(content, "recorder")
	if !ok || !passwordFits(theirs, "s3cret") || passwordFits(theirs, "S3cret") {
		t.Errorf("%s does not fit", content)
	}
	ours, err := hashPassword("s3cret")
	form := regexp.MustCompile(`^\$7\$101\$[A-Za-z0-9+/]{16}\$[A-Za-z0-9+/]{86}==$`)
	if err != nil || !form.MatchString(ours) || !form.MatchString(theirs) {
		t.Errorf("ours %s, theirs %s, %v", ours, theirs, err)
	}
}

func TestDamagedHashesFitNothing(t *testing.T) {
	good, _ := hashPassword("x")
	for _, hash := range []string{
		"", "x", "$", "$7$", "$6$abc$def", "$7$0$AAAA$AAAA", "$7$-1$AAAA$AAAA", "$7$99999999999$AAAA$AAAA",
		"$7$101$!$AAAA", good[:len(good)-4], good + "$", strings.Replace(good, "$7$", "$8$", 1),
	} {
		if passwordFits(hash, "x") {
			t.Errorf("%q fits", hash)
		}
	}
}
