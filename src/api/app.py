"""The management API put together: one guard, one exception handler, each area's controllers, and the door in front."""

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.types import Guard as GuardCallable

from mcphub.api.audiences import must_ask_for_keys, must_be_declared
from mcphub.api.auth.accounts import name_digest
from mcphub.api.auth.arrivals import Arrivals
from mcphub.api.auth.flows import Flows
from mcphub.api.auth.kinds import Providers
from mcphub.api.auth.links import OneTimeLinks
from mcphub.api.auth.passwords import Passwords
from mcphub.api.auth.throttle import Throttle
from mcphub.api.auth.tokens import TokenSigner
from mcphub.api.caller import Caller, Guard
from mcphub.api.catalog import Catalog
from mcphub.api.controllers.audit import ActivitiesController, AuditController, EventsController
from mcphub.api.controllers.audit_export import AuditExportController
from mcphub.api.controllers.env_upkeep import EnvUpkeepController
from mcphub.api.controllers.groups import GroupsController
from mcphub.api.controllers.health import HealthController
from mcphub.api.controllers.hub_variables import HubVariablesController
from mcphub.api.controllers.keys import KeysController, UserKeysController
from mcphub.api.controllers.live import LiveController
from mcphub.api.controllers.logs import LogsController
from mcphub.api.controllers.me import MeController
from mcphub.api.controllers.metrics import MetricsController
from mcphub.api.controllers.nodes import NodesController
from mcphub.api.controllers.oauth import OAuthController
from mcphub.api.controllers.operation import OperationController
from mcphub.api.controllers.pages import PagesController
from mcphub.api.controllers.past import PastController
from mcphub.api.controllers.projections import ProjectionsController
from mcphub.api.controllers.rehearse import RehearseController
from mcphub.api.controllers.requests import RequestsController
from mcphub.api.controllers.search import SearchController
from mcphub.api.controllers.servers import ServersController
from mcphub.api.controllers.settings_file import SettingsFileController, SystemConfigController
from mcphub.api.controllers.sign_in import SignInController
from mcphub.api.controllers.tool_changes import ToolChangesController
from mcphub.api.controllers.traces import TracesController
from mcphub.api.controllers.undo import UndoController
from mcphub.api.controllers.user_credentials import UserCredentialsController
from mcphub.api.controllers.users import UsersController
from mcphub.api.controllers.variables import SeedVariablesController, VariablesController
from mcphub.api.controllers.why import WhyController
from mcphub.api.described import openapi_config
from mcphub.api.door import ASGIApp, Door
from mcphub.api.env_scheduler import EnvScheduler
from mcphub.api.health import Health
from mcphub.api.keyring import Keyring
from mcphub.api.metrics import Scrape
from mcphub.api.notes import note_refusal
from mcphub.api.past import Past
from mcphub.api.people import People
from mcphub.api.problems import answer_problem, not_authenticated
from mcphub.api.rehearsal import Rehearsal
from mcphub.api.schemas import Envelope, StrictRequest
from mcphub.api.services import Accepted, Services
from mcphub.api.table_work import TableWork
from mcphub.api.undo import Undo
from mcphub.api.upkeep import Upkeep
from mcphub.api.values import Values
from mcphub.api.web_ui import WebUi, load_assets
from mcphub.api.why import WhyService
from mcphub.domain.access import AccessModel
from mcphub.projections.history import History
from mcphub.projections.requests import Requests

MOST_BODY = 5 * 1024 * 1024  # bytes; a settings document may be larger, and says so itself

CONTROLLERS = [
    SignInController,
    OAuthController,
    MeController,
    KeysController,
    UserKeysController,
    ServersController,
    ToolChangesController,
    SearchController,
    SettingsFileController,
    SystemConfigController,
    VariablesController,
    SeedVariablesController,
    EnvUpkeepController,
    HubVariablesController,
    GroupsController,
    UsersController,
    UserCredentialsController,
    RequestsController,
    AuditController,
    PastController,
    AuditExportController,
    TracesController,
    EventsController,
    UndoController,
    WhyController,
    RehearseController,
    ActivitiesController,
    LiveController,
    LogsController,
    ProjectionsController,
    HealthController,
    NodesController,
    OperationController,
    MetricsController,
    PagesController,
]


def make_app(services: Services, *, web: bool = True) -> ASGIApp:
    """The ASGI application of the hub.

    Args:
        web: with the user interface, when it was built; without it a plain page stands there.

    Raises:
        UndeclaredAudience: something in it does not say whom it is for.
    """
    must_ask_for_keys("/mcp", services.gateway)
    api: ASGIApp = management_api(services)
    assets = load_assets() if web else {}
    return Door(services.settings, services.gateway, WebUi(assets, api) if assets else api, services.access_log)


def management_api(services: Services) -> Litestar:
    """Everything behind the door but `/mcp`.

    Raises:
        UndeclaredAudience: a route does not say whom it is for.
    """
    parts = parts_of(services)
    api = put_together({name: _always(part) for name, part in parts.items()}, parts["guard"], services.version)
    must_be_declared(api)
    return api


def parts_of(services: Services) -> dict[str, Any]:
    """What handlers ask for, by the name they ask with."""
    signer = TokenSigner(services.vault.secret("session"))
    catalog = Catalog(services)
    history = History(services.write, lambda: AccessModel(name_digest(services.vault), services.vault.membership))
    past, requests = Past(services, history), Requests(services.history)
    return {
        "services": services,
        "signer": signer,
        "guard": Guard(services, signer),
        "passwords": Passwords(),
        "throttle": Throttle(),
        "links": OneTimeLinks(services.write),
        "providers": Providers(services.settings),
        "flows": Flows(services.write),
        "arrivals": Arrivals(services, signer),
        "past": past,
        "people": People(services),
        "catalog": catalog,
        "values": Values(services, catalog),
        "upkeep": Upkeep(services),
        "env_scheduler": EnvScheduler(services),
        "keyring": Keyring(services, catalog),
        "requests": requests,
        "history": history,
        "undo": Undo(services.read, services.vault),
        "rehearsal": Rehearsal(services, history, requests),
        "why": WhyService(services, past),
        "table_work": TableWork(services),
        "health": Health(services),
        "scrape": Scrape(services),
    }


def put_together(parts: Mapping[str, Callable[[], Any]], guard: GuardCallable, version: str) -> Litestar:
    """The routes with what gives their handlers what they ask for; to be described they need none of it."""
    return Litestar(
        route_handlers=CONTROLLERS,
        guards=[guard],
        dependencies={
            **{name: Provide(part, sync_to_thread=False) for name, part in parts.items()},
            "caller": Provide(the_caller, sync_to_thread=False),
        },
        exception_handlers={Accepted: answer_accepted, Exception: answer_refusal},
        request_class=StrictRequest,
        request_max_body_size=MOST_BODY,
        logging_config=None,
        openapi_config=openapi_config(version),
    )


def the_caller(request: Request[Any, Any, Any]) -> Caller:
    """
    Raises:
        Problem: 401 on a route that is open to everybody and asks all the same.
    """
    caller = request.scope["user"]
    if not isinstance(caller, Caller):
        raise not_authenticated()
    return caller


def answer_refusal(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    note_refusal(request, error)
    return answer_problem(request, error)


def answer_accepted(_: Request[Any, Any, Any], accepted: Accepted) -> Response[Envelope]:
    return Response(Envelope(position=accepted.position), status_code=202)


def _always(part: Any) -> Callable[[], Any]:
    def give() -> Any:
        return part

    return give
