"""What people see. One line per page; each view says itself who may see it (apps/dashboard/access.py)."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from apps.dashboard.views import (
    account,
    backups,
    connections,
    frame,
    git_sign_in,
    home,
    nginx,
    notifications,
    prometheus,
    services,
    session,
    teams,
    terminals,
    tokens,
    usage,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("pods/", include("apps.dashboard.pod_urls")),
    path("search/", frame.search, name="search"),
    path("gallery/", frame.gallery, name="gallery"),
    path("healthz", frame.healthz, name="healthz"),
    path("readyz", frame.readyz, name="readyz"),
    path("metrics", prometheus.prometheus, name="prometheus"),
    path("operators/nginx/", nginx.nginx, name="nginx"),
    path("operators/nginx/brainpod.conf", nginx.nginx_text, name="nginx-text"),
    path("operators/services/", services.services, name="services"),
    path("operators/services/new/<slug:how>/", services.service_new, name="service-new"),
    path("operators/services/<slug:name>/", services.service, name="service"),
    path("operators/services/<slug:name>/lifecycle/", services.service_lifecycle, name="service-lifecycle"),
    path("operators/services/<slug:name>/deletion/", services.service_deletion, name="service-deletion"),
    path("operators/services/<slug:name>/databases/<int:pk>/", services.service_database, name="service-database"),
    path("operators/services/<slug:name>/log/", services.service_log, name="service-log"),
    path("operators/backups/", backups.platform_backups, name="platform-backups"),
    path("operators/practices/", services.service_practices, name="service-practices"),
    path("operators/login/", frame.operators_login, name="operators-login"),
    path("sign-in/", session.sign_in, name="sign-in"),
    path("sign-in/<str:token>/", session.sign_in_link, name="sign-in-link"),
    path("sign-out/", session.sign_out, name="sign-out"),
    path("welcome/<str:token>/", session.welcome, name="welcome"),
    path("invitations/<str:token>/", teams.invitation, name="invitation"),
    path("account/", account.account, name="account"),
    path("account/name/", account.account_name, name="account-name"),
    path("account/password/", account.account_password, name="account-password"),
    path("account/theme/", account.account_theme, name="account-theme"),
    path("account/tokens/", tokens.tokens, name="account-tokens"),
    path("account/tokens/<int:pk>/", tokens.token, name="account-token"),
    path("account/sessions/<int:pk>/", account.account_session, name="account-session"),
    path("teams/", teams.teams, name="teams"),
    path("teams/<slug:team>/", teams.team, name="team"),
    path("teams/<slug:team>/usage/", usage.usage, name="team-usage"),
    path("teams/<slug:team>/terminals/", terminals.terminals, name="terminals"),
    path("teams/<slug:team>/terminals/<slug:session>/ending/", terminals.terminal_ending, name="terminal-ending"),
    path("teams/<slug:team>/notifications/", notifications.notifications, name="notifications"),
    path("teams/<slug:team>/notifications/new/<slug:kind>/", notifications.notification_new, name="notification-new"),
    path("teams/<slug:team>/notifications/<slug:endpoint>/", notifications.notification, name="notification"),
    path(
        "teams/<slug:team>/notifications/<slug:endpoint>/settings/",
        notifications.notification_settings,
        name="notification-settings",
    ),
    path(
        "teams/<slug:team>/notifications/<slug:endpoint>/key/", notifications.notification_key, name="notification-key"
    ),
    path(
        "teams/<slug:team>/notifications/<slug:endpoint>/test/",
        notifications.notification_test,
        name="notification-test",
    ),
    path(
        "teams/<slug:team>/notifications/<slug:endpoint>/deliveries/<int:pk>/redelivery/",
        notifications.notification_redelivery,
        name="notification-redelivery",
    ),
    path("teams/<slug:team>/name/", teams.team_name, name="team-name"),
    path("teams/<slug:team>/invitations/", teams.team_invitations, name="team-invitations"),
    path("teams/<slug:team>/invitations/<int:pk>/", teams.team_invitation, name="team-invitation"),
    path("teams/<slug:team>/members/<int:pk>/", teams.team_member, name="team-member"),
    path("teams/<slug:team>/git-access/", connections.git_access, name="git-access"),
    path("teams/<slug:team>/git-access/new/<slug:kind>/", connections.git_access_new, name="git-access-new"),
    path(
        "teams/<slug:team>/git-access/sign-in/<slug:application>/",
        git_sign_in.git_access_sign_in,
        name="git-access-sign-in",
    ),
    path("git-access/callback/", git_sign_in.git_access_callback, name="git-access-callback"),
    path(
        "teams/<slug:team>/git-access/<slug:connection>/reconnect/",
        git_sign_in.git_access_reconnect,
        name="git-access-reconnect",
    ),
    path(
        "teams/<slug:team>/git-access/<slug:connection>/",
        connections.git_access_connection,
        name="git-access-connection",
    ),
    path(
        "teams/<slug:team>/git-access/<slug:connection>/check/", connections.git_access_check, name="git-access-check"
    ),
    path(
        "teams/<slug:team>/git-access/<slug:connection>/secret/",
        connections.git_access_secret,
        name="git-access-secret",
    ),
]
